"""Our metrics against RecTools', on the same random rankings."""
