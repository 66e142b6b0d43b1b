"""Private training against ordinary training and against Opacus."""
