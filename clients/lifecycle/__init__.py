"""A node from its first directory to the erasure of its last user: making, checking, forgetting."""
