"""Helpers for the people who work on Isthmus; not installed."""
