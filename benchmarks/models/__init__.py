"""Choices of item space, behaviour model and personalisation, judged on validation items only."""
