"""Stage 3: split the clean rows into training rows and the holdout with the team's function."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .dataset import load_dataset, read_table
from .project import Project

MOST_ROWS = 10_000_000


def run(project: Project) -> None:
    """Write the training rows and the holdout.

    Raises:
        DataError: the rows cannot be split, one of the two parts is empty, or one has rows that leak into the other.
    """
    from .splits import refuse_leaks  # imports scikit-learn, which not every team's split needs

    paths, how = project.paths, project.params.split
    table = draw_sample(read_table(paths.clean), project.source.sample, project.params.seed)
    rows = load_dataset(table, project.contract)
    chosen = np.asarray(project.recipe.split(rows, how, project.params.seed))
    holdout = np.zeros(len(rows), dtype=bool)
    if (
        chosen.dtype.kind != "i"
        or len(np.unique(chosen)) != len(chosen)
        or not np.isin(chosen, np.arange(len(rows))).all()
    ):
        raise DataError(f"split.py returned {chosen!r:.80}, expected the indices of the rows to hold out, each once")
    holdout[chosen] = True
    if holdout.all() or not holdout.any():
        raise DataError(
            f"split.py holds out {int(holdout.sum())} of {len(rows)} rows; expected some, and others to train on: "
            "correct split.py, split in params.yaml or the source"
        )
    refuse_leaks(rows, holdout, how)
    for path, part in ((paths.train, ~holdout), (paths.holdout, holdout)):
        with whole_file(path) as file:
            pq.write_table(table.filter(pa.array(part)), file)


def draw_sample(table: pa.Table, most: int | None, seed: int) -> pa.Table:
    """Return at most this many rows, drawn at random, in their order.

    Raises:
        DataError: no number is given, and the table has more than `MOST_ROWS`.
    """
    if most is None and table.num_rows > MOST_ROWS:
        raise DataError(
            f"{table.num_rows} rows are too many to train on in memory; the limit is {MOST_ROWS}: set source.sample in "
            "config/default.yaml to draw some, for example 1000000"
        )
    if most is None or table.num_rows <= most:
        return table
    return table.take(np.sort(np.random.default_rng(seed).permutation(table.num_rows)[:most]))
