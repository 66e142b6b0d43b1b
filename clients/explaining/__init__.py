"""Why an item is recommended: exact numbers that add up to its score, and a sentence about them."""
