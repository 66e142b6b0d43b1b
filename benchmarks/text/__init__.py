"""Text on real titles: seconds a sentence, and how many sentences the gate lets pass."""
