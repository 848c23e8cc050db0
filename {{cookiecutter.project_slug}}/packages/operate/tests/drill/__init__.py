"""Long tests of operation; the session `drill` runs them."""
