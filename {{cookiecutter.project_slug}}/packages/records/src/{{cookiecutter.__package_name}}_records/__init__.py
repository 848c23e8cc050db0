"""What a service leaves behind: the prediction log, and the queue of jobs."""
