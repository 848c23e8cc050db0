"""What takes minutes to prove; each module has a session of its own."""
