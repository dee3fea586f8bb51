"""Users: the one table every job works on, and where it comes from."""
