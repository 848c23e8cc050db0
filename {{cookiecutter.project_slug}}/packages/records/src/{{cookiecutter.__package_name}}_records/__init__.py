"""The records of a service: the prediction log and the job queue."""
