"""From candidates to the list that a user sees: filters, freshness, fatigue, diversity, reasons.

`clients.ranking.rank.rank` is the one function that the service calls; everything that it uses is
pure. Formulas and sources: docs/recommendations.md.
"""
