"""CSV files in blocks: each line is a row or is told, whatever its quotes and wherever a block ends."""

import csv
import io
import random
import re

import pytest

from {{ cookiecutter.__package_name }}_batch import blocks
from {{ cookiecutter.__package_name }}_batch.dialect import Dialect
from {{ cookiecutter.__package_name }}_batch.readers import read_batches
from {{ cookiecutter.__package_name }}_predict import DataError

PIECES = ["a", "b", '"', '"', '""', ",", ",", "\n", "\n", "\r\n", "1", " ", "é"]
REGULAR = ["a", '"b"', '"c, d"', '"e ""f"""', '5" pipe', "", '"g\nh"', '"i\r\n\nj"']


def read(data: bytes, **dialect: object) -> tuple[list[dict[str, str]], list[str]]:
    """Return the rows of a CSV file, and the reasons for lines that were left out."""
    malformed = list[str]()
    batches = read_batches(io.BytesIO(data), "in.csv", malformed.append, Dialect.model_validate(dialect))
    return [row for batch, _ in batches for row in batch.to_pylist()], malformed


def try_to_read(data: bytes, *, newlines: bool) -> tuple[list[dict[str, str]], list[str]] | None:
    """Return what `read` does, or None if the file is refused with one of two reasons."""
    try:
        return read(data, newlines=newlines)
    except DataError as error:
        if not re.search("is not closed|has more than", str(error)):
            raise
        return None


def count_lines(data: bytes) -> int:
    """Return the number of lines that are not empty, without the header."""
    return sum(bool(line) for line in re.split(rb"\r\n|\r|\n", data)) - 1


@pytest.mark.parametrize("newlines", [False, True])
def test_quote_that_is_not_closed_is_refused(newlines: bool) -> None:
    data = b"a,b\n" + b"1,x\n" * 100 + b'2,"y\n' + b"3,z\n" * 244
    with pytest.raises(
        DataError, match="the value in quotes that begins in line 102 is not closed; close it, or write"
    ):
        read(data, newlines=newlines)


def test_lines_between_two_stray_quotes_are_told_one_by_one() -> None:
    data = b"a,b\n" + b"1,x\n" * 10 + b'2,"y\n' + b"3,z\n" * 20 + b'4,"w\n' + b"5,v\n" * 10
    rows, malformed = read(data)
    assert len(rows) == 20
    assert len(malformed) == 22


def test_quotes_within_a_value_are_characters_like_others() -> None:
    rows, malformed = read(b'a,b\n5" pipe,6" pipe\nx"y"z,"say ""hi"""\n')
    assert not malformed
    assert rows == [{"a": '5" pipe', "b": '6" pipe'}, {"a": 'x"y"z', "b": 'say "hi"'}]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("size", [7, 64, 1 << 20])
def test_file_is_read_as_the_standard_library_reads_it(
    newline: str, encoding: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(size)  # noqa: S311  # no secret
    lines = ["x,y,z"]
    for index in range(200):
        short = size == 7
        values = [str(index) if short else rng.choice(REGULAR) for _ in range(3)]
        lines.append(",".join(values))
        lines += [""] * (rng.random() < 0.1)
    text = newline.join(lines)
    monkeypatch.setattr(blocks, "BYTES_PER_BLOCK", max(size, 16))
    rows, malformed = read(text.encode(encoding), newlines=True, encoding=encoding)
    assert not malformed
    found = [list(row.values()) for row in rows]
    assert found == [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:]


@pytest.mark.parametrize("seed", range(20))
def test_no_line_is_lost_whatever_the_bytes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, refused = random.Random(seed), 0  # noqa: S311  # no secret
    for _ in range(100):
        data = ("x,y,z\n" + "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 60)))).encode()
        monkeypatch.setattr(blocks, "BYTES_PER_BLOCK", rng.choice([64, 100, 1 << 20]))
        for newlines in (False, True):
            if (found := try_to_read(data, newlines=newlines)) is None:
                refused += 1
                continue
            rows, malformed = found
            broken = [value for row in rows for value in row.values() if "\n" in value or "\r" in value]
            assert newlines or not broken
            assert len(rows) + len(malformed) <= count_lines(data)
            assert broken or len(rows) + len(malformed) == count_lines(data)
    assert 0 < refused < 150


def test_line_that_is_too_long_is_refused_in_a_short_sentence() -> None:
    with pytest.raises(DataError, match="line 3 has more than 1,048,576 bytes; expected a table with shorter") as error:
        read(b"a,b\n1,2\n" + b"x" * 3_000_000)
    assert len(str(error.value)) < 250


def test_value_of_many_lines_is_whole_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BYTES_PER_BLOCK", 1000)
    text = "\n".join(map(str, range(150)))
    rows, _ = read(("a,b\n" + f'1,"{text}"\n' * 20).encode(), newlines=True)
    assert [row["b"] for row in rows] == [text] * 20
