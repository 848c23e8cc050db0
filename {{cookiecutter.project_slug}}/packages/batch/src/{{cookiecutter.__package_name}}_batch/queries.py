"""Queries as tables, for `source.py` of the team."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from .databases import ROWS_AT_ONCE, Connection, Database, quote, select_columns


def read_query(address: str, query: str) -> Iterator[pa.Table]:
    """Yield the rows of a query, a part at a time; for `source.py` of the team.

    Args:
        address: `sqlite:///path` or `postgresql://user@host/database`.
        query: a `SELECT`. In PostgreSQL, decimals become doubles, and types that Arrow lacks become text. In SQLite, a
            column has the type of its values; one that mixes text and numbers is text.

    Raises:
        DataError: the database cannot be read, or the query fails.
    """
    database, wanted = Database(address), f"({query.rstrip().rstrip(';')}\n) AS source"
    with database.connect() as connection:
        schema = connection.describe(wanted)
        columns = ", ".join(select_columns(database, schema, schema.names))
        statement = f"SELECT {columns} FROM {wanted}"
        if database.file:
            yield from _read_typed(connection, statement, schema.names)
        else:
            for batch in connection.stream(statement):
                yield pa.Table.from_batches([batch])


def _read_typed(connection: Connection, statement: str, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of a query in SQLite, with types that all values of a column have in common."""
    connection.execute(f"CREATE TEMP TABLE source AS {statement}")
    kinds = ("integer", "real", "text", "blob")
    tests = ", ".join(f"max(typeof({quote(name)}) = '{kind}')" for name in names for kind in kinds)
    found = connection.execute(f"SELECT {tests}, max(rowid) FROM source")[0]
    types = [_common_type(*found[start : start + len(kinds)]) for start in range(0, len(found) - 1, len(kinds))]
    schema = pa.schema(list(zip(names, types, strict=True)))
    for start in range(0, max(found[-1] or 0, 1), ROWS_AT_ONCE):  # one part at least, for the columns
        part = f"rowid > {start} AND rowid <= {start + ROWS_AT_ONCE}"
        table = connection.read(f"SELECT * FROM source WHERE {part}")
        yield pa.table([column.cast(kind) for column, kind in zip(table.columns, types, strict=True)], schema=schema)


def _common_type(integer: int | None, real: int | None, text: int | None, blob: int | None) -> pa.DataType:
    if blob:
        return pa.binary()
    if text:
        return pa.string()
    return pa.float64() if real else pa.int64() if integer else pa.string()
