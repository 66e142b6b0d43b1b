"""Attacks on what leaves a node, run against the code that nodes run.

Gradient inversion, membership inference and item promotion; each has a module for the attack itself
and one that measures it. `docs/attacks.md` says who the attacker is and what was found.
"""
