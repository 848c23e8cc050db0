"""The prediction service: the model as an HTTP API. `app` assembles it, and `server` runs it."""
