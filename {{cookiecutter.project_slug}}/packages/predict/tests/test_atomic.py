"""Files appear whole, in one step, or not at all."""

import os
import sys
import time
from pathlib import Path

import pytest

from {{ cookiecutter.__package_name }}_predict.atomic import whole_file


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not replace a file that is open")
def test_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with path.open("rb") as opened_before:
        with whole_file(path) as file:
            file.write(b"new")
            assert path.read_bytes() == b"old"
        assert opened_before.read() == b"old"  # it was not written over
    assert path.read_bytes() == b"new"


def test_file_whose_writing_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"new"[: 1 // 0])
    assert [name.name for name in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"old"


def test_what_a_killed_process_has_left_is_removed_after_a_day(tmp_path: Path) -> None:
    path = tmp_path / "model[1].onnx"
    names = {"old": f".{path.name}.{'a' * 32}.partial", "new": f".{path.name}.{'b' * 32}.partial"}
    other = f".another.onnx.{'c' * 32}.partial"
    for name in (*names.values(), other):
        (tmp_path / name).write_bytes(b"half")
    for name in (names["old"], other):
        os.utime(tmp_path / name, (time.time() - 90_000,) * 2)
    with whole_file(path) as file:
        file.write(b"whole")
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, names["new"], other}
