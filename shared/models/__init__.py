"""Models that every node runs and the parameters that they share.

`parameters` needs numpy only (the coordinator has no torch); everything else belongs to nodes.
"""
