"""Text beside recommendations: blurbs, explanations and interests, in English and Chinese.

Facts in, sentences out: a local language model fills slots, or words freely at an endpoint that the
platform hosts; a gate lets nothing pass that the facts do not say; a template stands in for all
that is refused, late or missing. Measurements: docs/recommendations.md.
"""
