"""The model card: what the model is, how well it does and what it was made from, written from the results."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from .prediction import Model, whole_file
from .results import Results


def write_card(path: Path, model: Model, results: Results) -> None:
    """Write the card of a model as Markdown.

    Args:
        path: the file.
        model: the candidate.
        results: how it did.
    """
    with whole_file(path) as file:
        file.write(render_card(model, results).encode())


def render_card(model: Model, results: Results) -> str:
    """Return the card's text (see `write_card`)."""
    contract, rows, scores, trivial = model.contract, results.rows, results.model, results.trivial
    kind = f"one of {', '.join(contract.classes)}" if contract.classes else contract.target_field.expected
    fields = ((name, field.expected, field.description) for name, field in contract.features.items())
    return "\n".join(
        [
            f"# Model {model.version}",
            "",
            f"It predicts **{contract.target_name}** ({kind}).",
            f"It was fitted on {rows['train']} rows and measured on {rows['test']} others.",
            "",
            "## Results on the hold-out rows",
            "",
            *markdown_table(
                ("metric", "model", "trivial model"), ((name, scores[name], trivial[name]) for name in scores)
            ),
            "",
            f"The exported file and the training library differ by at most {results.skew} on the training rows.",
            "",
            "## Inputs",
            "",
            *markdown_table(("field", "expected", "meaning"), fields),
            "",
            "It refuses whatever lies outside of these.",
            "",
            "## Made from",
            "",
            *markdown_table(("input", "MD5"), model.lineage.inputs.items()),
            "",
            f"Parameters: `{model.lineage.params}`",
            "",
        ]
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    cells = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells]
