"""What production sees: the predictions, whether their inputs have drifted, and what came true of them."""
