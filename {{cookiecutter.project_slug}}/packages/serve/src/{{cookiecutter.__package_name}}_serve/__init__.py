"""The prediction service: the model as an HTTP API. `app` puts it together, `server` runs it."""
