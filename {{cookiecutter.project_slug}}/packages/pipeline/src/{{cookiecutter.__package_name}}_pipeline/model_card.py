"""The model card: what the model is, how well it performs, and what it was made from."""

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
    contract, rows, scores, dummy = model.contract, evaluation.rows, evaluation.model, evaluation.dummy
    kind = f"one of {', '.join(contract.classes)}" if contract.classes else contract.target_field.accepts
    fields = ((name, field.accepts, field.description) for name, field in contract.features.items())
    return "\n".join(
        [
            f"# Model {model.version}",
            "",
            f"It predicts **{contract.target_name}** ({kind}).",
            f"It was fitted on {rows['train']} rows and measured on {rows['holdout']} others.",
            "",
            "## Results on the holdout",
            "",
            *markdown_table(
                ("metric", "model", "dummy baseline"), ((name, scores[name], dummy[name]) for name in scores)
            ),
            "",
            f"The exported file and the training library differ by at most {evaluation.skew} on the training rows.",
            "",
            "## Inputs",
            "",
            *markdown_table(("field", "expected", "meaning"), fields),
            "",
            "It rejects anything else.",
            "",
            "## Made from",
            "",
            *markdown_table(("input", "MD5"), model.lineage.inputs.items()),
            "",
            f"Parameters: `{model.lineage.params}`",
            "",
        ]
    )
