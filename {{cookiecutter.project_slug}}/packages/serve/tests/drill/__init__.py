"""Long tests of the service; the session `drill` runs them."""
