"""The table of the prediction log: created once, and brought to the columns of each version; with SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from {{ cookiecutter.__package_name }}_records.prediction_log import connect, prepare_table

from machinery.small_log import check_migrations, check_new_table


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Return an engine for a file that does not exist yet."""
    engine = connect(f"sqlite:///{tmp_path}/var/a % b/predictions.db")
    yield engine
    engine.dispose()


def test_table_is_made_once_and_as_this_version_knows_it(engine: Engine) -> None:
    check_new_table(engine)


def test_table_of_an_older_version_keeps_its_rows_and_gets_the_new_columns(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "var" / "a % b").mkdir(parents=True)
    check_migrations(engine)


def test_migration_that_fails_changes_nothing(engine: Engine) -> None:
    prepare_table(engine)
    with engine.begin() as connection:  # the column is there, although the version says that it is not
        connection.execute(text("UPDATE alembic_version SET version_num = '1'"))
    with pytest.raises(SQLAlchemyError, match="duplicate column name: unusual"):
        prepare_table(engine)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "1"
