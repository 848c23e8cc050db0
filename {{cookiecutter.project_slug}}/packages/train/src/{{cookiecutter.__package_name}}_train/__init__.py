"""The team's science: where the data comes from, features, split, estimator and metrics; `recipe` hands them over."""
