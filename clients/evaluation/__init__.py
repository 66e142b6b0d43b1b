"""Offline evaluation at a node: leave-one-out over the whole catalogue, ties against the model."""
