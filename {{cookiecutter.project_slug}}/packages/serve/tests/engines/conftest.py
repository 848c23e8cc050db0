"""A Redis server, started for a test; and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from machinery.engines import Engine, find_program, free_port, postgres

__all__ = ["postgres"]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Engine]:
    """Return a Redis server that keeps nothing."""
    port = free_port()
    options = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path))
    engine = Engine(find_program("redis-server"), *options, port=port)
    yield engine
    engine.stop()
