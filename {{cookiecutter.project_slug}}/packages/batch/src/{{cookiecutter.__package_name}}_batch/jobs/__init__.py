"""Jobs: batches that read tables where they are, and write predictions where others read them, each row once."""
