"""Measurements that compare Isthmus with alternatives; each writes ``runs/bench/NAME.json``."""
