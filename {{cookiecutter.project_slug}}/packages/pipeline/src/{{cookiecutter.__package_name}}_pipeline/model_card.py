"""The model card: what the model is, how well it performs, and what it was made from."""

from collections.abc import Iterator
from pathlib import Path

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.markdown import markdown_table
from {{ cookiecutter.__package_name }}_predict.model import Model

from .metrics_file import Evaluation


def write_card(path: Path, model: Model, evaluation: Evaluation) -> None:
    """Write the card of a model as Markdown.

    Args:
        path: the file.
        model: the candidate.
        evaluation: the results of the candidate.
    """
    with whole_file(path) as file:
        file.write(render_card(model, evaluation).encode())


def render_card(model: Model, evaluation: Evaluation) -> str:
    """Return the card's text (see `write_card`)."""
    contract, rows = model.contract, evaluation.rows
    kind = f"one of {', '.join(contract.classes)}" if contract.classes else contract.target_field.accepts
    fields = ((name, field.accepts, field.description) for name, field in contract.features.items())
    return "\n".join(
        [
            f"# Model {model.version}",
            "",
            f"It predicts **{contract.target_name}** ({kind}).",
            f"It was fitted on {rows['train']} rows and measured on {rows['holdout']} others, the holdout.",
            *_describe_decision(model),
            "",
            "## Results",
            "",
            *_list_results(evaluation),
            "",
            *_list_slices(evaluation),
            "## Features that matter",
            "",
            f"How much worse {evaluation.main} gets on the holdout if the values of one feature are shuffled:",
            "",
            *markdown_table(
                ("feature", "loss", "spread"),
                ((name, score.loss, score.spread) for name, score in evaluation.importance.items()),
            ),
            "",
            "## Inputs",
            "",
            *markdown_table(("field", "expected", "meaning"), fields),
            "",
            "It rejects values outside these, and a missing one where null is not allowed.",
            "",
            "## Made from",
            "",
            f"The exported file and the training library differ by at most {evaluation.skew} on the training rows.",
            "",
            *markdown_table(("input", "MD5"), model.lineage.inputs.items()),
            "",
            f"Parameters: `{model.lineage.params}`",
            "",
        ]
    )


def _describe_decision(model: Model) -> Iterator[str]:
    decision = model.decision
    if decision.threshold is not None:
        yield f"It predicts {model.contract.classes[1]} if its probability is at least {decision.threshold:.4g}."
    if decision.coverage is not None:
        yield (
            f"The interval around a prediction, from {decision.below:.4g} below to {decision.above:.4g} above, covers "
            f"{decision.coverage:.0%} of the training rows, each predicted by a model that was not fitted on it."
        )


def _list_results(evaluation: Evaluation) -> list[str]:
    """Return a table of the metrics; its head says on which rows they were computed."""
    validation, rows = evaluation.cross_validation, evaluation.rows
    header = ["metric", f"model, {rows['holdout']} holdout rows", "dummy baseline, the same rows"]
    if validation is None:
        return markdown_table(
            header, ((name, value, evaluation.dummy.get(name, "")) for name, value in evaluation.model.items())
        )
    header.append(f"cross-validation, {validation.rows} training rows in {validation.folds} folds")
    scores = {name: f"{score.mean} ± {score.spread}" for name, score in validation.metrics.items()}
    return markdown_table(
        header,
        (
            (name, value, evaluation.dummy.get(name, ""), scores.get(name, ""))
            for name, value in evaluation.model.items()
        ),
    )


def _list_slices(evaluation: Evaluation) -> Iterator[str]:
    for feature, parts in evaluation.slices.items():
        names = [name for name in evaluation.model if any(name in part for part in parts.values())]
        yield from (f"## Results by {feature}, on the holdout", "")
        cells = ((label, int(part["rows"]), *(part.get(name, "") for name in names)) for label, part in parts.items())
        yield from markdown_table((feature, "rows", *names), cells)
        yield ""
