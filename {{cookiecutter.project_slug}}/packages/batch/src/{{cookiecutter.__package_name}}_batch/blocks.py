"""A CSV file in blocks of whole rows: they are counted, and no quote swallows the lines that follow.

A quote begins a quoted value only where a value begins; elsewhere it is a character like others, as in `5" pipe`.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

import numpy as np

from {{ cookiecutter.__package_name }}_predict.errors import DataError

from .dialect import Dialect

BYTES_PER_BLOCK = 1 << 20
MOST_SHOWN = 80
RETURN, FEED, QUOTE = b'\r\n"'
REST_OF_VALUE = re.compile(rb'(?:[^"]++|"")*+')
LINE, BREAK = re.compile(rb"[^\r\n]+"), re.compile(rb"\r\n|\r|\n")


class Value(NamedTuple):
    """A quoted value that has line breaks: where it begins and ends in a block, and whether it is closed there."""

    begin: int
    end: int
    closed: bool


def read_blocks(
    file: IO[bytes], name: str, dialect: Dialect, malformed: Callable[[str], None]
) -> Iterator[tuple[bytes, int]]:
    """Yield the rows of an open CSV file in UTF-8, as blocks of about `BYTES_PER_BLOCK`, and their number.

    Args:
        file: the file, at its beginning.
        name: its name, for messages.
        dialect: how it is written. Where it allows no line breaks in values, the lines of such values are left out.
        malformed: called with a reason for each line left out.

    Raises:
        DataError: a quoted value is not closed, or a row is longer than a block.
        UnicodeDecodeError: the file is not in the dialect's encoding.
    """
    for rows, values in split_blocks(file, name, dialect):
        kept = rows if dialect.newlines else leave_out(rows, values, malformed)
        if count := count_rows(kept, values if dialect.newlines else []):
            yield kept, count


def split_blocks(file: IO[bytes], name: str, dialect: Dialect) -> Iterator[tuple[bytes, list[Value]]]:
    """Yield an open CSV file as blocks of whole rows, each with its values that have line breaks; see `read_blocks`.

    Together, the blocks of a file in UTF-8 are the file, without its byte order mark and with a last line break.
    """
    plain = codecs.lookup(dialect.encoding).name == "utf-8"
    decode = None if plain else codecs.getincrementaldecoder(dialect.encoding)().decode
    scan = Scanner(dialect.separator)
    data, line, ended = file.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8) if plain else b"", 1, False
    while not ended:
        block = file.read(BYTES_PER_BLOCK)
        ended = not block
        data += block if decode is None else decode(block, final=ended).encode()
        if ended and data and not data.endswith((b"\n", b"\r")):
            data += b"\n"
        end = len(data) if ended else max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
        values = scan.find_values_over_lines(data[:end])
        unfinished = bool(values) and not values[-1].closed
        opened = line + _count_breaks(data[: values[-1].begin]) if unfinished else 0
        while values and (not values[-1].closed or values[-1].end > end):  # the next block goes on with its whole row
            end = _start_of_line(data, values.pop().begin)
        too_long = len(data) - end > BYTES_PER_BLOCK
        if unfinished and (ended or too_long):
            raise DataError(
                f"{name}: the value in quotes that begins in line {opened} is not closed; close it, or write a quote "
                'that belongs to the text twice ("")'
            )
        if too_long:
            raise DataError(
                f"{name}: line {line + _count_breaks(data[:end])} has more than {BYTES_PER_BLOCK:,} bytes; expected a "
                "table with shorter lines"
            )
        rows, data = data[:end], data[end:]
        line += _count_breaks(rows)
        yield rows, values


class Scanner:
    """Finds the quoted values that have line breaks."""

    def __init__(self, separator: str) -> None:
        """Scan a file whose values this character separates."""
        self._separator = ord(separator)
        between = re.escape(separator.encode())
        self._complete = re.compile(  # as far as each value ends in the line in which it begins
            rb'(?:[^"]++|(?<![^%b\r\n])"(?:[^"\r\n]++|"")*+"|(?<=[^%b\r\n])")*+' % (between, between)
        )

    def find_values_over_lines(self, data: bytes) -> list[Value]:
        """Return the values that have line breaks; the last one may not be closed.

        Args:
            data: whole lines, the first of which begins a row.
        """
        found = list[Value]()
        position = len(data) if self._is_plain(data) else 0
        while (begin := _end_of_match(self._complete, data, position)) < len(data):
            end = _end_of_match(REST_OF_VALUE, data, begin + 1)
            closed = end < len(data)
            position = end + closed
            found.append(Value(begin, position, closed))
            if not closed:
                break
        return found

    def _is_plain(self, data: bytes) -> bool:
        """Return whether quotes open where a value begins, and close before a line break; only a quick look."""
        if b'"' not in data:
            return True
        found = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(found == QUOTE)
        if len(quotes) % 2:
            return False
        opening, closing = quotes[::2], quotes[1::2]
        before = found[opening - 1]  # of the first character, this is the last one: a line break
        starts = (before == self._separator) | (before == FEED) | (before == RETURN)
        starts[1:] |= opening[1:] - 1 == closing[:-1]  # a quote that is written twice
        breaks = np.flatnonzero((found == FEED) | (found == RETURN))
        return bool(starts.all()) and not np.any(np.searchsorted(quotes, breaks) % 2)


def count_rows(rows: bytes, values: list[Value]) -> int:
    """Return the number of rows in a block, without empty lines; each of these values belongs to one row."""
    return _count_lines(rows) - sum(_count_lines(rows[value.begin : value.end]) for value in values)


def leave_out(rows: bytes, values: list[Value], malformed: Callable[[str], None]) -> bytes:
    """Return rows without the lines of values that have line breaks; each of these lines is malformed."""
    if not values:
        return rows
    parts, kept = list[bytes](), 0
    for value in values:
        start = max(kept, _start_of_line(rows, value.begin, kept))
        closing = BREAK.search(rows, value.end)
        parts.append(rows[kept:start])
        kept = max(kept, closing.end() if closing else len(rows))
        for line in LINE.findall(rows, start, kept):
            malformed(f"found a line break in a value in quotes, which source.newlines does not allow: {_show(line)}")
    return b"".join([*parts, rows[kept:]])


def _start_of_line(data: bytes, position: int, least: int = 0) -> int:
    return max(data.rfind(b"\n", least, position), data.rfind(b"\r", least, position)) + 1


def _end_of_match(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    found = pattern.match(data, start)
    return found.end() if found else start


def _count_lines(lines: bytes) -> int:
    """Return how many lines end here that are not empty."""
    if b"\r" not in lines and b"\n\n" not in lines and not lines.startswith(b"\n"):
        return lines.count(b"\n")
    found = np.frombuffer(lines, np.uint8)
    breaks = (found == FEED) | (found == RETURN)
    return int(np.count_nonzero(~breaks[:-1] & breaks[1:]))


def _count_breaks(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


def _show(text: bytes) -> str:
    return text[:MOST_SHOWN].decode(errors="replace")
