"""The log: lines of JSON or text, of this program and of its libraries; a stream that fails costs nothing."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from {{ cookiecutter.__package_name }}_records.json_logs import Lenient, configure_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave logging as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def redirect(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Return what will be written to standard error."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="utf-8", write_through=True))
    return written


def test_lines_are_json_of_the_program_and_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = redirect(monkeypatch)
    configure_logs("json")
    structlog.get_logger().info("answered", status=200, who={1})
    logging.getLogger("a.library").warning("slow")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["status"], first["who"]) == ("answered", "info", 200, [1])
    assert (second["event"], second["level"]) == ("slow", "warning")
    assert first["timestamp"].endswith("Z")


def test_lines_of_text_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = redirect(monkeypatch)
    configure_logs("text")
    structlog.get_logger().info("answered", status=200)
    assert "answered" in stream.getvalue().decode()
    assert "status=200" in stream.getvalue().decode()


def test_stream_that_cannot_be_written_loses_lines_and_raises_nothing() -> None:
    closed = io.StringIO()
    closed.close()
    stream = Lenient(closed)
    stream.write("lost")
    stream.flush()
    assert closed.closed
