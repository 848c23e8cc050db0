"""Stage 3: split the clean rows into training rows and the holdout with the team's function."""

import pyarrow.parquet as pq

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file
from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .dataset import read_table
from .project import Project


def run(project: Project) -> None:
    """Write the training rows and the holdout.

    Raises:
        DataError: the rows cannot be split, or one of the two parts is empty.
    """
    paths, params = project.paths, project.params
    table = read_table(paths.clean)
    train, holdout = project.recipe.split(table, project.contract, params.split.holdout_share, params.seed)
    if not train.num_rows or not holdout.num_rows:
        raise DataError(
            f"split.py returned {train.num_rows} training rows and a holdout of {holdout.num_rows} from "
            f"{table.num_rows} rows; expected rows in both; correct split.py"
        )
    for path, part in ((paths.train, train), (paths.holdout, holdout)):
        with whole_file(path) as file:
            pq.write_table(part, file)
