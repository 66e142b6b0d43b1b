"""Cost of secure aggregation beside the alternatives: ``python -m benchmarks.secagg``."""
