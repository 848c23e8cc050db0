"""Score tables with Arrow: read them, check them against the contract, predict for each row, and write the result."""
