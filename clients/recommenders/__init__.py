"""Recommenders that a platform can fit on its own data, and their fusion."""
