"""The node's service: from a model bundle and live events to lists of recommendations."""
