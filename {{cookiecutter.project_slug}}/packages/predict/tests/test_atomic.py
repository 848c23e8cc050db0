"""Files appear whole, in one step, or not at all."""

import sys
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
