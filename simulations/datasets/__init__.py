"""Data sets of the lab: folders of public data, MovieLens-100K, generated platforms."""
