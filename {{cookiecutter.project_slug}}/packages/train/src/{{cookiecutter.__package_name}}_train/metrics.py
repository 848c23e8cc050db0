"""Metrics of your own; params.yaml names them beside those of scikit-learn."""

from {{ cookiecutter.__package_name }}_pipeline.metrics import Metrics

METRICS: Metrics = {}
