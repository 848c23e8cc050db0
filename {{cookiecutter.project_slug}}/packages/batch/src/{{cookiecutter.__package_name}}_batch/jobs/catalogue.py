"""What a database says of the tables that a run writes into: whether its rows fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from {{ cookiecutter.__package_name }}_predict.errors import DataError, list_names

from ..databases import TYPES, Connection, quote_text

# the types of an existing table that take a column: of PostgreSQL, and the affinities of SQLite
# (https://www.sqlite.org/datatype3.html)
TAKES = {
    "int64": (("bigint", "integer", "smallint", "numeric"), ("INTEGER", "NUMERIC", "BLOB")),
    "double": (("double precision", "numeric"), ("REAL", "NUMERIC", "BLOB")),
    "string": (("text", "character varying"), ("TEXT", "BLOB")),
    "bool": (("boolean",), ("NUMERIC", "INTEGER", "BLOB")),
    "date32[day]": (("date",), ("TEXT", "NUMERIC", "BLOB")),
    "timestamp[us, tz=UTC]": (("timestamp with time zone",), ("TEXT", "NUMERIC", "BLOB")),
}
AFFINITIES = {
    "INT": "INTEGER",
    "CHAR": "TEXT",
    "CLOB": "TEXT",
    "TEXT": "TEXT",
    "BLOB": "BLOB",
    "REAL": "REAL",
    "FLOA": "REAL",
    "DOUBLE": "REAL",
}


@dataclass(frozen=True)
class Column:
    """A column of a table: its type, and whether every row must have a value for it."""

    kind: str
    needed: bool


@dataclass(frozen=True)
class Relation:
    """A table or a view, and its columns."""

    is_view: bool
    columns: dict[str, Column]


def describe(connection: Connection, name: str) -> Relation | None:
    """Return the table or the view of a name; None if there is none."""
    if connection.database.file:
        kinds = connection.execute("SELECT type FROM sqlite_master WHERE lower(name) = lower(?)", name)
        rows = connection.execute(
            'SELECT name, type, "notnull" AND dflt_value IS NULL AND NOT pk FROM pragma_table_info(?)', name
        )
        columns = {column: Column(find_affinity(kind), bool(needed)) for column, kind, needed in rows}
        return Relation(kinds[0][0] == "view", columns) if kinds else None
    place = connection.database.quote_table(name)
    kinds = connection.execute("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(?)", place)
    rows = connection.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef AND attidentity = '' "
        "FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        place,
    )
    columns = {column: Column(kind, needed) for column, kind, needed in rows}
    return Relation(kinds[0][0] in "vm", columns) if kinds else None


def require_fit(connection: Connection, name: str, relation: Relation, schema: pa.Schema) -> None:
    """Raise a DataError that lists the differences unless a table can hold rows of a schema."""
    database, differences = connection.database, list[str]()
    sqlite = database.file is not None
    for field in schema:
        found, wanted = relation.columns.get(field.name), TYPES[field.type][sqlite]
        if found is None:
            differences.append(f"it has no column {field.name} ({wanted.lower()})")
        elif not _holds(found.kind, field.type, sqlite=sqlite):
            differences.append(f"{field.name} is {found.kind.lower()}, expected {wanted.lower()}")
    needed = [column for column, found in relation.columns.items() if found.needed and column not in schema.names]
    differences += [f"{column} is NOT NULL without a default, but runs do not write it" for column in needed]
    if differences:
        raise DataError(
            f"{name} in {database.shown} does not fit: {list_names(differences)}; nothing was written: alter the "
            "table, or name another one"
        )


def require_same_columns(connection: Connection, name: str, relation: Relation, schema: pa.Schema) -> None:
    """Raise a DataError unless a view in PostgreSQL can be replaced: its columns are the first ones of a schema."""
    wanted = [f"{field.name} {TYPES[field.type][0].lower()}" for field in schema]
    found = [f"{column} {item.kind}" for column, item in relation.columns.items()]
    if wanted[: len(found)] != found:
        raise DataError(
            f"the view {name} in {connection.database.shown} does not fit: its columns are {list_names(found)}; a run "
            f"writes {list_names(wanted)}; nothing was written: drop the view, or name another table"
        )


def is_unique(connection: Connection, table: str, columns: Sequence[str]) -> bool:
    """Return whether an index of a table allows no two rows with the same values in exactly these columns."""
    wanted = list(map(quote_text, sorted(columns)))
    if connection.database.file:
        listed = connection.execute(
            "SELECT group_concat(quote(name)) FROM (SELECT i.name AS index_name, c.name FROM pragma_index_list(?) i"
            ' JOIN pragma_index_info(i.name) AS c WHERE i."unique" AND NOT i.partial ORDER BY c.name)'
            " GROUP BY index_name UNION ALL SELECT group_concat(quote(name)) FROM"
            " (SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY name)",
            *(table, table),
        )
        return (",".join(wanted),) in listed
    found = connection.execute(
        "SELECT 1 FROM pg_index WHERE indrelid = to_regclass(?) AND indisunique AND indpred IS NULL "
        'AND indexprs IS NULL AND (SELECT array_agg(attname::text ORDER BY attname::text COLLATE "C") '
        f"FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY(indkey)) = ARRAY[{', '.join(wanted)}]",
        connection.database.quote_table(table),
    )
    return bool(found)


def find_affinity(kind: str) -> str:
    """Return the affinity of a declared type in SQLite."""
    found = (affinity for part, affinity in AFFINITIES.items() if part in kind.upper())
    return next(found, "NUMERIC") if kind else "BLOB"


def _holds(kind: str, wanted: pa.DataType, *, sqlite: bool) -> bool:
    bare, modifier, _ = kind.partition("(")
    rounds = bare == "numeric" and bool(modifier) and pa.types.is_floating(wanted)
    return bare in TAKES[str(wanted)][sqlite] and not rounds
