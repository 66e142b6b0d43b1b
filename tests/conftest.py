"""Tests never assert on time: generated cases have no deadline either."""

from hypothesis import settings

settings.register_profile("isthmus", deadline=None)
settings.load_profile("isthmus")
