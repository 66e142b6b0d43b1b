"""Four fields of use, each with a configuration that runs on generated data."""
