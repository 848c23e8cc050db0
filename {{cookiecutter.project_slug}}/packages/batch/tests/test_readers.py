"""JSON Lines as tables."""

import io

from {{ cookiecutter.__package_name }}_batch.readers import read_batches


def test_json_lines_become_columns() -> None:
    text = b'{"a": 1, "b": "x"}\n\n{"a": 2.5, "c": [1]}\nnothing\n"text"\n{"a": null}\n'
    malformed = list[str]()
    ((batch, share),) = read_batches(io.BytesIO(text), "t.jsonl", malformed.append)
    assert batch.to_pylist() == [
        {"a": 1.0, "b": "x", "c": None},
        {"a": 2.5, "b": None, "c": [1]},
        {"a": None, "b": None, "c": None},
    ]
    assert malformed == ["found no JSON object: nothing", 'found no JSON object: "text"']
    assert share == 1.0


def test_column_of_several_types_has_texts() -> None:
    text = b'{"a": 1}\n{"a": "NA"}\n{"a": true}\n{"a": 123456789012345678901234567890}\n'
    ((batch, _),) = read_batches(io.BytesIO(text), "t.ndjson", lambda _: None)
    assert batch.column("a").to_pylist() == ["1", "NA", "true", "123456789012345678901234567890"]
