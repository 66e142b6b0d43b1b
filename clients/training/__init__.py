"""Training at the node: private rounds for the federation, local fine-tuning for itself."""
