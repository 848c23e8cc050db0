"""Jobs with PostgreSQL and on Ray, which the session engines starts."""
