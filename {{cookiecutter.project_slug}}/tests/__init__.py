"""End to end: the project as a whole, driven in copies of itself."""
