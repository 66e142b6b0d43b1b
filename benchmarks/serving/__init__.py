"""The node's service under load, beside a plain matrix product."""
