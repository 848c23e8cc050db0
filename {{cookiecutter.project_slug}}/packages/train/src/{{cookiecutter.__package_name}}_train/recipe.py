"""The recipe: all that the pipeline knows of this package."""

from {{ cookiecutter.__package_name }}_pipeline.recipe import Recipe

from . import estimator, features, metrics, source, split

RECIPE = Recipe(
    source=source.read,
    features=features.features,
    fit=getattr(features, "fit", None),
    split=split.split,
    folds=split.folds,
    estimator=estimator.build,
    parameters=estimator.Parameters,
    metrics=metrics.METRICS,
)
