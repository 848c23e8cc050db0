"""Tables as Arrow: read them, check them against the contract, predict for each row, write the result."""
