"""Quality: every scenario's figures beside the goals; ``make bench-quality``."""
