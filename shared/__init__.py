"""What both sides of the federation must agree on; imports nothing else of Isthmus."""

__version__ = "0.1.0"
