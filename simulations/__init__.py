"""Research: data sets, recipes, systems side by side, reports. May import everything."""
