"""Differentially private training at user level: gradients, noise, sampling, accounting, ledger.

Unit of privacy: one user at one platform. Neighbouring relation: add or remove one user. See
``docs/privacy.md`` for the guarantee in words.
"""
