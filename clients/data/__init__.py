"""A platform's own data: sources, cleaning, pseudonyms, catalogue, histories."""
