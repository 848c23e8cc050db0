"""A column of a table, and what its values look like: numbers, dates, texts or an identifier."""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from {{ cookiecutter.__package_name }}_batch.dialect import Dialect, translate
from {{ cookiecutter.__package_name }}_batch.tables import NULLS, check_batch, is_text
from {{ cookiecutter.__package_name }}_predict.fields import (
    INTEGER_MAX,
    LONGEST_VALUE,
    AnyField,
    Boolean,
    Date,
    Number,
)

MOST_CLOSED = 20  # different values of a category that are listed; with more, it is open
MOST_BROKEN = 0.1  # share of the present values; above it, a column is not of that kind
WORDS_OF_TEXT = 4  # on average, from which on a column holds texts
NAMED_ID = re.compile(r"(^|[_\s.])(id|no|nr|key|index|uuid|number|code)\.?$|id_str$|Id$", re.IGNORECASE)
NAMED_GROUP = re.compile(
    r"^id|(^|[_\s.])(account|client|company|customer|device|firm|household|machine|member|patient|person|product|shop|"
    r"store|subject|supplier|user)([_\s.]?(id|no|nr|key|code|number|name))?$",
    re.IGNORECASE,
)
FEWEST_GROUPS = 10
NUMBER = Number(type="number", missing=True)
MOMENT = Date(type="datetime", missing=True)
BOOLEAN = Boolean(type="boolean", missing=True)


class TableColumn:
    """A column of a table, and what its values look like."""

    def __init__(self, name: str, column: pa.ChunkedArray, dialect: Dialect) -> None:
        self.name, self.dialect = name, dialect
        self.raw = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if pa.types.is_dictionary(self.raw.type):
            self.raw = self.raw.dictionary_decode()
        self.rows = len(self.raw)
        self.nested = pa.types.is_nested(self.raw.type)
        self.texts = pa.nulls(self.rows, pa.string()) if self.nested else self.raw.cast(pa.string())
        marks = pa.array([*NULLS, *dialect.missing])
        marked = pc.fill_null(pc.is_in(self.texts, marks), fill_value=True)
        absent = pc.or_(pc.is_null(self.raw, nan_is_null=True), marked)
        self.present = self.texts.filter(pc.invert(absent))
        self.values = pc.unique(self.present)

    @property
    def missing(self) -> dict[str, bool]:
        """What the contract says of missing values."""
        return {"missing": True} if len(self.present) < self.rows else {}

    @property
    def examples(self) -> str:
        """The first three different values, for messages."""
        return ", ".join(f"{text!r:.40}" for text in self.values.slice(0, 3).to_pylist())

    @property
    def different(self) -> bool:
        """Whether there are many values, none of them twice."""
        return len(self.values) == len(self.present) > MOST_CLOSED

    def parse(self, kind: AnyField) -> npt.NDArray[np.float64]:
        """Return the numbers for the column as a kind of field; NaN where a value is missing or of another kind."""
        batch, fields = pa.RecordBatch.from_arrays([self.raw], [self.name]), {self.name: kind}
        found = check_batch(translate(batch, fields, self.dialect), fields, self.name)
        return np.asarray(found.columns[self.name])

    def fits(self, kind: AnyField) -> bool:
        """Return whether most present values are of a kind."""
        parsed = int((~np.isnan(self.parse(kind))).sum()) if len(self.present) else 0
        return parsed > 0 and parsed >= (1 - MOST_BROKEN) * len(self.present)

    @property
    def is_date(self) -> bool:
        """Whether the values are dates or times, and not numbers."""
        typed = pa.types.is_temporal(self.raw.type)
        return typed or (is_text(self.raw) and not self.fits(NUMBER) and self.fits(MOMENT))

    @property
    def has_leading_zeros(self) -> bool:
        """Whether numbers begin with a zero, as codes do: as numbers, they would lose it."""
        return bool(pc.any(pc.match_substring_regex(self.values, r"^0\d")).as_py())

    @property
    def is_identifier(self) -> bool:
        """Whether a value is different in each row, and is neither a measurement nor a text."""
        if not self.different or self.is_date or not self.name.strip():
            return False
        if self.fits(NUMBER) and not self.has_leading_zeros:
            numbers = self.parse(NUMBER)
            present = numbers[~np.isnan(numbers)]
            whole = bool((present == np.round(present)).all())
            counting = whole and present.max() - present.min() == len(present) - 1
            return whole and (counting or present.max() > INTEGER_MAX or bool(NAMED_ID.search(self.name)))
        return self.words < WORDS_OF_TEXT and self.longest <= LONGEST_VALUE

    @property
    def may_be_group(self) -> bool:
        """Whether it is named like someone or something that several rows are about, and values occur repeatedly."""
        named = NAMED_ID.search(self.name) or NAMED_GROUP.search(self.name)
        repeated = FEWEST_GROUPS <= len(self.values) <= len(self.present) / 2
        return bool(named) and repeated and not self.is_date

    @property
    def longest(self) -> int:
        """The number of characters of the longest value."""
        return int(pc.max(pc.utf8_length(self.present)).as_py() or 0)

    @property
    def words(self) -> float:
        """The mean number of words of the values."""
        sample = self.values.slice(0, 1000).to_pylist()
        return float(np.mean([len(text.split()) for text in sample])) if sample else 0.0
