"""The section `score` of the configuration: jobs, each with a source, a sink and how to treat its rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, list_names
from {{ cookiecutter.__package_name }}_predict.settings import Section, Settings, load_settings

from ..addresses import hide_secrets
from ..databases import Database, is_database
from ..dialect import PLAIN, Dialect
from ..readers import SUFFIXES, table_suffix

JOB = r"^[a-z][a-z0-9_]*$"  # so that an environment variable can name it
LONGEST_TABLE = 54  # bytes; with `_rejected`, the 63 of PostgreSQL
FILES = ("s3", "gs", "az", "abfs", "https", "http", "memory", "file", "")
Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Mode = Literal["append", "replace", "upsert"]


class Place(Section):
    """Where a table is: a file, a folder or a pattern; or a table in a database.

    Attributes:
        address: a path or an address such as `s3://bucket/orders`, `sqlite:///path` or `postgresql://user@host/shop`.
        table: the table in a database; in PostgreSQL, optionally as `schema.table`.
    """

    address: Name
    table: Name | None = None

    @property
    def database(self) -> Database | None:
        """The database; None if the place is a file or a folder."""
        return Database(self.address) if is_database(self.address) else None

    @property
    def shown(self) -> str:
        """The place without its password."""
        return f"{self.table} in {hide_secrets(self.address)}" if self.table else hide_secrets(self.address)

    @property
    def place(self) -> tuple[str, str | None]:
        """What is equal for two descriptions of one place."""
        return self.make_absolute().address.rstrip("/"), self.table

    def make_absolute(self) -> Self:
        """Return the place for processes that work in other folders."""
        if self.database and self.database.file:
            return self.model_copy(update={"address": f"sqlite:///{self.database.file.absolute()}"})
        local = not self.database and "://" not in self.address
        return self.model_copy(update={"address": str(Path(self.address).absolute())}) if local else self

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        scheme = urlsplit(self.address).scheme if "://" in self.address else ""
        if not is_database(self.address) and scheme not in FILES:
            raise ValueError(
                f"the address begins with {scheme}://; expected a path, or s3://, gs://, az://, https://, sqlite:/// "
                "or postgresql://"
            )
        if is_database(self.address) and scheme == "sqlite" and not self.address.startswith("sqlite:///"):
            raise ValueError("expected an address such as sqlite:///path/to/file.db")
        if self.table and not is_database(self.address):
            raise ValueError("`table` is for databases; leave it out for files")
        return self


class Source(Place):
    """What to read.

    Attributes:
        query: instead of a table, a `SELECT`.
        key: the column whose values divide a table into parts: unique, without nulls, and best with an index; by
            default, the first of the job's keys.
        copy: whether to copy the rows into a table of the run's own first, so that the run reads a snapshot.
        dialect: how CSV files are written.
    """

    model_config = ConfigDict(populate_by_name=True)

    query: Name | None = None
    key: Name | None = None
    copied: bool = Field(default=False, alias="copy")
    dialect: Dialect = PLAIN

    @model_validator(mode="after")
    def _is_one_table(self) -> Self:
        if self.database and bool(self.table) == bool(self.query):
            raise ValueError("a database needs either `table` or `query`")
        if not self.database and (self.query or self.key or self.copied):
            raise ValueError("`query`, `key` and `copy` are for databases; leave them out for files")
        return self


class Sink(Place):
    """Where to write.

    Attributes:
        keep: how many earlier results `replace` keeps in a database, for rollbacks.
    """

    keep: Annotated[int, Field(ge=0)] = 2

    @model_validator(mode="after")
    def _is_writable(self) -> Self:
        if self.database and not self.table:
            raise ValueError("a database needs `table`")
        name = self.database.split_name(self.table)[1] if self.database and self.table else ""
        if len(name.encode()) > LONGEST_TABLE:
            raise ValueError(f"the name of the table has {len(name.encode())} bytes, expected at most {LONGEST_TABLE}")
        if self.address.startswith(("http:", "https:")):
            raise ValueError("nothing can be written to https://; expected a path, s3://, gs://, az:// or a database")
        if not self.database and not self.is_folder:
            table_suffix(self.address)
        return self

    @property
    def is_folder(self) -> bool:
        """Whether the sink is a folder, to which each run adds files."""
        return not self.database and not self.address.lower().endswith(SUFFIXES)


class Job(Section):
    """A batch that can be run again and again.

    Attributes:
        source: what to read.
        sink: where to write.
        mode: `append` adds rows, `replace` replaces the previous result, `upsert` updates rows whose keys exist.
        keys: the columns that identify a row, which are written beside its prediction; by default, the contract's id.
        inputs: whether the features are written, too; sensitive ones are not.
        rejected: where rejected rows go; by default, beside the sink.
        on_error: whether a rejected row is set aside, or stops the run.
        max_rejected: the share of rejected rows above which only those are written.
        engine: `local`, `ray` (a cluster on this machine) or the address of a cluster, `ray://host:10001`.
        workers: how many processes; by default, one for each core.
        textfile: a file for the node exporter of Prometheus, such as `/var/lib/node_exporter/score.prom`.
    """

    source: Source
    sink: Sink
    mode: Mode
    keys: tuple[Name, ...] | None = None
    inputs: bool = False
    rejected: Place | None = None
    on_error: Literal["reject", "stop"] = "reject"
    max_rejected: Share = 0.05
    engine: Annotated[str, Field(pattern=r"^(local|ray|ray://.+)$")] = "local"
    workers: PositiveInt | None = None
    textfile: Path | None = None

    @model_validator(mode="after")
    def _mode_suits_sink(self) -> Self:
        if self.mode == "upsert" and not self.sink.database:
            raise ValueError("mode: upsert needs a database; expected append or replace")
        if self.mode == "append" and not self.sink.database and not self.sink.is_folder:
            raise ValueError(f"mode: append cannot add to the file {self.sink.address}; name a folder, or use replace")
        if self.rejected and self.rejected.database and self.rejected.address != self.sink.address:
            raise ValueError(
                "rejected: expected a file, or a table in the sink's database, so that both change together"
            )
        if self.rejected and self.rejected.database and not self.rejected.table:
            raise ValueError("rejected: a database needs `table`")
        if self.rejected and not self.rejected.database:
            table_suffix(self.rejected.address)  # it must be a file
        for other, what in ((self.source, "the source"), (self.rejected_place, "rejected")):
            if other.place == self.sink.place:
                raise ValueError(f"{what} and the sink are the same place, {other.shown}; name another one")
        if self.source.place == self.rejected_place.place:
            raise ValueError(f"the source and rejected are the same place, {self.source.shown}; name another one")
        return self

    @property
    def rejected_place(self) -> Place:
        """Where rejected rows go."""
        if self.rejected:
            return self.rejected
        if self.sink.table:
            return Place(address=self.sink.address, table=f"{self.sink.table}_rejected")
        bare = self.sink.address.rstrip("/")
        stem = bare if self.sink.is_folder else bare.rpartition(".")[0]
        return Place(address=f"{stem}.rejected.csv")

    def make_absolute(self) -> "Job":
        """Return the job for processes that work in other folders."""
        places = {"source": self.source, "sink": self.sink, "rejected": self.rejected_place}
        return self.model_copy(update={name: place.make_absolute() for name, place in places.items()})


class LogAddress(BaseModel):
    """What a batch needs to know of the prediction log."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    url: str | None = None


class BatchSettings(Settings):
    """The settings of jobs."""

    score: dict[Annotated[str, Field(pattern=JOB)], Job] = Field(default_factory=dict)
    prediction_log: LogAddress | None = None


def load_job(name: str, model: Path | None = None, environment: str | None = None) -> tuple[Job, BatchSettings]:
    """Return a job, and the settings that it is part of.

    Args:
        name: of the job.
        model: the file of the model, instead of the configured one.
        environment: whose settings to read, see `load_settings`.

    Raises:
        ConfigError: there is no such job, a setting is invalid, or the job uses the file of the prediction log.
    """
    settings = load_settings(BatchSettings, {"paths": {"model": model}} if model else {}, environment)
    if name not in settings.score:
        known = f"the jobs are {list_names(settings.score)}" if settings.score else "there is none yet"
        raise ConfigError(
            f"the configuration has no batch job {name!r} (section score); {known}; name one of them, or pass SOURCE "
            "and SINK"
        )
    job = settings.score[name]
    log = (
        Database(settings.prediction_log.url).file if settings.prediction_log and settings.prediction_log.url else None
    )
    _require_own_places(name, settings.score)
    for place in (job.source, job.sink):
        file = place.database.file if place.database else None
        if log and file and file.resolve() == log.resolve():
            raise ConfigError(
                f"score.{name}: {file} is also the file of the prediction log; a process that opens one file with two "
                "copies of SQLite can damage it; name another file"
            )
    return job, settings


def _require_own_places(name: str, jobs: Mapping[str, Job]) -> None:
    """Raise a ConfigError if a job writes where another one does; both may add rows to one table."""
    job = jobs[name]
    mine = {place.place for place in (job.sink, job.rejected_place)}
    for other_name, other in jobs.items():
        adds = "replace" not in (job.mode, other.mode)
        for place in (other.sink, other.rejected_place):
            shared = place.table and (place != other.sink or adds)
            if other_name != name and place.place in mine and not shared:
                raise ConfigError(
                    f"score.{name} and score.{other_name} both write to {place.shown}; name another place for one"
                )
