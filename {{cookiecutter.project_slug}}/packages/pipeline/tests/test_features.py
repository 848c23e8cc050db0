"""Features: what features.py writes is what production computes; what cannot be carried is refused with its line."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
import pytest

from {{ cookiecutter.__package_name }}_pipeline import vocabulary
from {{ cookiecutter.__package_name }}_pipeline.dataset import Dataset, load_dataset
from {{ cookiecutter.__package_name }}_pipeline.expressions import FeatureError
from {{ cookiecutter.__package_name }}_pipeline.feature_graph import (
    MATRIX,
    check_graph,
    run_graph,
    write_graph,
)
from {{ cookiecutter.__package_name }}_pipeline.features import FeatureMaker, Features
from {{ cookiecutter.__package_name }}_pipeline.splits import inner_folds
from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded
from {{ cookiecutter.__package_name }}_predict.errors import DataError

CONTRACT = Contract.model_validate(
    {
        "features": {
            "amount": {"type": "number", "missing": True},
            "items": {"type": "integer", "missing": True},
            "ordered": {"type": "datetime", "missing": True},
            "born": {"type": "date", "missing": True},
            "channel": {"type": "category", "values": ["app", "shop", "web"], "missing": True},
            "shop": {"type": "category", "open": True, "missing": True},
            "express": {"type": "boolean", "missing": True},
            "note (%)": {"type": "text", "missing": True},
        },
        "target": {"price": {"type": "number"}},
    }
)
EXTREMES = [0.0, -0.0, 1e-300, -0.5, -1.0, -2.0, 1e15, 1e38, -1e38, 5e-324, 1e-17, -0.999999999999, 123456789.123456789]
SHOPS = {f"shop-{number:03}": number / 7 for number in range(0, 300, 2)} | {"closed long ago": 3.0}


def make_rows(count: int = 3000) -> Dataset:
    """Return rows of all kinds, with missing values and the extremes of numbers and dates."""
    rng = np.random.default_rng(0)
    words = np.array(["late", "box", "Größe", "日本", "fragile", "x", "red"])
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(-40000, 2000, count), unit="D")
    frame = pd.DataFrame(
        {
            "amount": np.append(EXTREMES, rng.lognormal(3, 2, count - len(EXTREMES)).round(2)),
            "items": rng.integers(0, 20, count).astype(float),
            "ordered": [f"{day:%Y-%m-%d}T{rng.integers(24):02}:{rng.integers(60):02}:00Z" for day in days],
            "born": [f"{year:04}-02-{1 + year % 28:02}" for year in rng.integers(1, 9999, count)],
            "channel": rng.choice(["app", "shop", "web"], count),
            "shop": [f"shop-{number:03}" for number in rng.integers(0, 300, count)],
            "express": rng.choice(["true", "false"], count),
            "note (%)": [" ".join(rng.choice(words, rng.integers(0, 9))) for _ in range(count)],
        }
    ).astype(object)
    for name in frame:
        frame.loc[rng.random(count) < 0.05, name] = None
    price = rng.normal(size=count) + frame["shop"].fillna("shop-0").str[5:].astype(int) / 100
    return load_dataset(pa.Table.from_pandas(frame.assign(price=price), preserve_index=False), CONTRACT)


@pytest.fixture(scope="session")
def rows() -> Dataset:
    """Return rows of all kinds."""
    return make_rows()


def every_function(c: Any, f: Any) -> dict[str, Any]:
    """Use each function and each operator."""
    hour = f.hour(c.ordered)
    return {
        **c,
        "ratio": f.where(c["items"] > 0, c.amount / c["items"], f.missing),
        "inverse": 1 / c.amount,
        "remainder": c.amount % 7,
        "whole": c.amount // 7,
        "whole of": 7 // c["items"] + 7 % c["items"],
        "parts": sum(divmod(c.amount, 3)),
        "negative": -c.amount - abs(c["items"] - 10),
        "log": f.log1p(f.maximum(c.amount, 0)),
        "root": f.sqrt(c.amount),
        "clipped": f.clip(c.amount, -1000, 1000),
        "smaller": f.minimum(c.amount, c["items"]),
        "rounded": f.round(c.amount) + f.floor(c.amount / 3) + f.abs(c.amount),
        "bucket": f.bucket(c["items"], [5, 10, 15]),
        "shop value": f.lookup(c.shop, SHOPS, default=f.missing),
        "channel value": f.lookup(c.channel, {"web": 2}, default=0),
        "year": f.year(c.born),
        "month": f.month(c.born),
        "day": f.day(c.born),
        "weekday": f.weekday(c.born),
        "sin": f.cycle_sin(hour, 24),
        "cos": f.cycle_cos(f.month(c.ordered), 12),
        "whole circle": f.cycle_sin(c["items"], 7) + f.cycle_cos(f.floor(c.amount / 1e30), 5),
        "any circle": f.cycle_sin(c.amount, 7) + f.cycle_cos(c["items"], 7.5),
        "age": f.days_between(c.born, c.ordered) / 365.25,
        "recent": c.ordered >= "2019-01-01",
        "length": f.length(c["note (%)"]) / (1 + f.word_count(c["note (%)"])),
        "one": (c.channel == "web") & (c.shop != "shop-001") | ~c.express ^ f.is_missing(c.shop),
        "none": f.is_missing(c.amount) | f.is_missing(c["note (%)"]) | f.is_missing(c.express),
        "constant of numpy": np.float64(2) * c.amount + np.float32(1),
    }


@pytest.fixture(scope="session")
def made(rows: Dataset) -> Features:
    """Return features that use everything, learned from the rows."""
    return FeatureMaker(CONTRACT, every_function).learn(rows)


def column(features: Features, rows: Encoded, name: str) -> Any:
    """Return one column of the matrix."""
    return features.compute(rows)[:, features.names.index(name)]


def test_production_computes_the_same_bits(rows: Dataset, made: Features) -> None:
    encoded = rows.encode(made.encoder)
    matrix = made.compute(encoded)
    graph = write_graph(made)
    check_graph(graph, made, encoded, matrix)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    for row in range(0, len(rows), 37):
        inputs: dict[str, Any] = {"numbers": encoded.numbers[row : row + 1]}
        inputs["words"] = made.encoder.weigh_words(encoded.texts, row, row + 1)
        np.testing.assert_array_equal(session.run([MATRIX], inputs)[0], matrix[row : row + 1])
    assert matrix.shape == (len(rows), len(made.names))
    assert not np.isinf(matrix).any()


def test_dates_are_those_of_the_calendar(rows: Dataset, made: Features) -> None:
    encoded = rows.encode(made.encoder)
    days = [None if np.isnan(at) else EPOCH + np.timedelta64(int(at), "s") for at in rows.checked.columns["born"]]
    known = [index for index, day in enumerate(days) if day is not None]
    texts = [str(days[index])[:10] for index in known]
    for name, part in (("year", slice(0, 4)), ("month", slice(5, 7)), ("day", slice(8, 10))):
        assert column(made, encoded, name)[known].tolist() == [int(text[part]) for text in texts]
    expected = [(days[index].astype("datetime64[D]").astype(int) + 3) % 7 for index in known]  # type: ignore[union-attr]
    assert column(made, encoded, "weekday")[known].tolist() == expected
    hours = rows.checked.columns["ordered"] // 3600 % 24
    expected_sin = np.sin(2 * np.pi * hours / 24)
    np.testing.assert_allclose(column(made, encoded, "sin"), expected_sin, atol=1e-7)


EPOCH = np.datetime64("1970-01-01", "s")


def test_formulas_are_those_of_numpy(rows: Dataset, made: Features) -> None:
    encoded, columns = rows.encode(made.encoder), rows.checked.columns
    amount, items = columns["amount"], columns["items"]
    with np.errstate(all="ignore"):
        expected = {
            "ratio": np.where(items > 0, amount / items, np.nan),
            "remainder": np.mod(amount, 7),
            "bucket": np.where(np.isnan(items), np.nan, np.digitize(items, [5, 10, 15])),
            "log": np.log(1 + np.maximum(amount, 0)),
        }
    for name, exact in expected.items():
        found, values = column(made, encoded, name), exact.astype(np.float32)
        known = ~np.isnan(values)
        np.testing.assert_allclose(found[known], values[known], rtol=1e-6, err_msg=name)


def test_lookup_knows_values_that_training_lacks(made: Features) -> None:
    encoded = made.encoder.encode([{"shop": "closed long ago"}, {"shop": "never heard of"}, {}])
    assert column(made, encoded, "shop value").tolist()[0] == 3
    assert np.isnan(column(made, encoded, "shop value")[1:]).all()
    means = column(made, encoded, "shop (mean of the target)")
    assert means[0] == means[1]


def test_text_without_words_that_occur_twice_has_its_length_alone(rows: Dataset) -> None:
    few = rows.take(np.arange(30))
    few.checked.columns["note (%)"] = pa.array([chr(0x4E00 + number) for number in range(30)])
    learned = FeatureMaker(CONTRACT, lambda c, _: {"note": c["note (%)"]}).learn(few)
    encoded = few.encode(learned.encoder)
    check_graph(write_graph(learned), learned, encoded, learned.compute(encoded))
    assert learned.names == ["note (length)", "note (words)"]


def test_graph_has_equal_bytes_again(rows: Dataset, made: Features) -> None:
    again = FeatureMaker(CONTRACT, every_function).learn(rows)
    assert write_graph(again).SerializeToString() == write_graph(made).SerializeToString()


def test_difference_between_numpy_and_the_graph_is_refused(rows: Dataset, made: Features) -> None:
    encoded = rows.encode(made.encoder)
    matrix = made.compute(encoded)
    matrix[4, made.names.index("ratio")] = 7
    with pytest.raises(FeatureError, match="'ratio' is 7.0 in training row 5, but production would compute"):
        check_graph(write_graph(made), made, encoded, matrix)


def test_run_graph_is_the_same_in_parts(rows: Dataset, made: Features) -> None:
    few = rows.take(np.arange(7))
    found = run_graph(write_graph(made), few.encode(made.encoder), made)
    np.testing.assert_array_equal(found, made.compute(rows.encode(made.encoder))[:7])


def test_no_row_sees_its_own_target(rows: Dataset) -> None:
    few = rows.take(np.arange(500))
    noise = replace(few, checked=replace(few.checked, columns=dict(few.checked.columns)))
    rng = np.random.default_rng(1)
    noise.checked.columns["shop"] = pa.array([f"only-{index // 2}" for index in range(500)])
    noise.checked.columns["price"] = rng.normal(size=500)
    maker = FeatureMaker(CONTRACT, lambda c, _: {"shop": c.shop})
    whole = maker.learn(noise)
    seen = whole.compute(noise.encode(whole.encoder))[:, 0]
    unseen = maker.cross_fit(noise, whole, inner_folds(noise, seed=1))[:, 0]
    target = noise.target
    assert np.corrcoef(seen, target)[0, 1] > 0.5
    assert abs(np.corrcoef(unseen, target)[0, 1]) < 0.2


def test_fit_makes_tables_from_the_rows_of_other_folds(rows: Dataset) -> None:
    seen: list[int] = []

    def fit(values: Any) -> dict[str, Any]:
        seen.append(len(values["price"]))
        frame = pd.DataFrame({name: values[name] for name in ("shop", "price")})
        return {"mean": frame.groupby("shop")["price"].mean().to_dict()}

    maker = FeatureMaker(CONTRACT, lambda c, f: {"mean": f.lookup(c.shop, f.fitted["mean"], default=0)}, fit)
    folds = inner_folds(rows, seed=1)
    matrix = maker.cross_fit(rows, maker.learn(rows), folds)
    assert sorted(set(seen)) == sorted({len(rows), *(len(others) for others, _ in folds)})
    others, these = folds[0]
    part = fit({name: rows.take(others).values(name) for name in ("shop", "price")})["mean"]
    expected = [part.get(shop, 0) for shop in rows.take(these).values("shop")]
    np.testing.assert_allclose(matrix[these, 0], expected, rtol=1e-6)


def test_category_with_too_many_values_is_refused(rows: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "MOST_VALUES", 100)
    with pytest.raises(
        DataError, match="shop has 300 different values in .* expected at most 100; it looks like an id"
    ):
        FeatureMaker(CONTRACT, lambda c, _: {**c}).learn(rows)


def decide(c: Any, _: Any) -> dict[str, Any]:
    return {"x": max(0, c.amount)}


def chain(c: Any, _: Any) -> dict[str, Any]:
    return {"x": 0 < c.amount < 5}


def loop(c: Any, _: Any) -> dict[str, Any]:
    return {"x": [math.sqrt(value) for value in c.amount]}


def store(c: Any, _: Any) -> dict[str, Any]:
    c.amount[c.amount > 1] = 0
    return {**c}


TRAPS: list[tuple[Callable[[Any, Any], Any], str]] = [
    (decide, "uses a column to decide .*; write f.where"),
    (chain, "uses a column to decide"),
    (lambda c, _: {"x": (c.amount > 0) and (c["items"] > 0)}, "uses a column to decide"),
    (lambda c, _: {"x": not (c.amount > 0)}, "uses a column to decide"),
    (lambda c, _: {"x": min(c.amount, c["items"])}, "uses a column to decide"),
    (lambda c, _: {"x": "web" in c.channel}, "uses `in`"),
    (lambda c, _: {"x": np.log1p(c.amount)}, "passes a column to numpy.log1p; a model file supports only"),
    (lambda c, _: {"x": np.where(c.amount > 0, c.amount, 0)}, "passes a column to numpy.where"),
    (lambda c, _: {"x": np.isnan(c.amount)}, "passes a column to (numpy|a function of Python)"),
    (lambda c, _: {"x": np.asarray(c.amount)}, "passes a column to (numpy|a function of Python)"),
    (lambda c, _: {"x": c.amount * np.array([1.0, 2.0])}, "calculates with array"),
    (lambda c, _: {"x": np.array([1.0, 2.0]) * c.amount}, "passes a column to (numpy|a function of Python)"),
    (lambda c, _: {"x": math.log(c.amount)}, "passes a column to (numpy|a function of Python)"),
    (lambda c, _: {"x": float(c.amount)}, "passes a column to (numpy|a function of Python)"),
    (loop, "loops over the rows"),
    (store, "writes into a column"),
    (lambda c, _: {"x": c.amount / len(c.amount)}, "indexes a column or takes its length"),
    (lambda c, _: {"x": c.amount[0]}, "indexes a column or takes its length"),
    (lambda c, _: {"x": c.amount.fillna(0)}, "calls .fillna on a column"),
    (lambda c, _: {"x": c.amount - c.amount.mean()}, "calls .mean on a column"),
    (lambda c, _: {"x": c.shop.upper() == "X"}, "calls .upper on a column"),
    (lambda c, _: {"x": c.amount**2}, r"uses \*\*.*write x \* x"),
    (lambda c, _: {"x": 2**c.amount}, r"uses \*\*"),
    (lambda c, f: {"x": f.lookup(f"{c.shop}", {"x": 1}, default=0)}, "converts a column to a text"),
    (lambda c, _: {"x": c.shop + "_"}, "calculates with the category 'shop'"),
    (lambda c, _: {"x": c.shop > "a"}, "orders the category 'shop'"),
    (lambda c, _: {"x": c.shop == 1}, "compares the category 'shop' with 1"),
    (lambda c, _: {"x": c["note (%)"] == "x"}, "compares the text 'note"),
    (lambda c, _: {"x": c.shop == c.channel}, "compares the category 'shop' with the category 'channel'"),
    (lambda c, _: {"x": c.amount & c["items"]}, "takes the number 'amount' as a condition"),
    (lambda c, _: {"x": ~c.amount}, "as a condition"),
    (lambda c, _: {"x": c.amount + None}, "calculates with None"),
    (lambda c, _: {"x": c.amuont}, "the column 'amuont', which schema.yaml does not have; it has amount, items"),
    (
        lambda c, f: {"x": f.cos(c.amount)},
        "f.cos, which does not exist; a model file supports: missing, where, is_missing",
    ),
    (lambda c, f: {"x": f.mean(c.amount)}, "f.mean, which does not exist"),
    (lambda c, f: {"x": f.lookup(c.shop, SHOPS)}, "raises TypeError: .*default"),
    (lambda c, f: {"x": f.lookup(c.shop, SHOPS, default=None)}, "default=None; expected a number or f.missing"),
    (lambda c, f: {"x": f.lookup(c.amount, SHOPS, default=0)}, "expected a category, and f.bucket"),
    (lambda c, f: {"x": f.lookup(c.shop, ["a"], default=0)}, "a table with a number for each value"),
    (
        lambda c, _: {"x": c.channel == "wbe"},
        "category 'channel' with 'wbe', which is none of its values: app, shop, web",
    ),
    (lambda c, f: {"x": f.lookup(c.channel, SHOPS, default=0)}, "none of the values of the category 'channel': app, s"),
    (lambda c, _: {"x": round(c.amount, 1)}, "passes a column to a function of Python"),
    (lambda c, f: {"x": f.bucket(c.amount, [2, 1])}, "expected numbers in rising order"),
    (lambda c, f: {"x": f.where(c.amount, 1, 2)}, "as a condition; write one such as c.amount > 0"),
    (lambda c, f: {"x": f.hour(c.amount)}, "expected a date or a datetime"),
    (lambda c, f: {"x": f.length(c.shop)}, "expected a text of schema.yaml"),
    (lambda c, f: {"x": f.cycle_sin(c.amount, 0)}, "the period 0; expected a number above 0"),
    (lambda _, f: {"x": f.sqrt(4)}, "calls f.sqrt with 4 .int.; expected a column"),
    (lambda c, _: {"x": c.ordered > "May"}, "compares a date with 'May'; write it as 2024-05-31"),
    (lambda _, f: {"x": f.fitted["mean"]}, "raises KeyError: 'mean'"),
]


@pytest.mark.parametrize(("trap", "message"), TRAPS)
def test_what_a_model_cannot_carry_is_refused_with_file_and_line(trap: Any, message: str) -> None:
    with pytest.raises(FeatureError, match=rf"test_features.py:\d+: `.*` .*({message})"):
        FeatureMaker(CONTRACT, trap).trace({})


@pytest.mark.parametrize(
    ("trap", "message"),
    [
        (lambda *_: {}, "returns {}, expected a dictionary"),
        (lambda c, _: c, "expected a dictionary"),
        (lambda *_: {"x": 1.0}, "the feature 'x' is the same number for all rows; expected a column"),
        (lambda *_: {"x": "a"}, "the feature 'x' is 'a' .str.; expected a column"),
        (lambda c, _: {1: c.amount}, "the feature 1 is"),
        (lambda c, f: {"x": f.floor(f.log1p(c.amount) / 2)}, "the feature 'x' takes steps .* on f.log1p"),
        (lambda c, f: {"x": f.where(f.log1p(c.amount) > 1, 1, 0)}, "the feature 'x' takes steps .* on f.log1p"),
        (lambda c, f: {"born": c.born, "born (year)": f.year(c.born)}, "two features are named 'born .year.'"),
        (lambda c, _: {"x": c.amount + random.random()}, "gives something else on each call"),  # noqa: S311  # that is it
        (lambda c, _: {"x": time.time_ns() - c.amount}, "gives something else on each call"),
    ],
)
def test_features_that_are_no_columns_are_refused(trap: Any, message: str, rows: Dataset) -> None:
    with pytest.raises(FeatureError, match=message):
        FeatureMaker(CONTRACT, trap).learn(rows)


def test_column_changed_in_place_is_another_column(rows: Dataset) -> None:
    def change(c: Any, _: Any) -> dict[str, Any]:
        x = c.amount
        x += 1
        return {"x": x, "amount": c.amount}

    made = FeatureMaker(CONTRACT, change).learn(rows)
    matrix = made.compute(rows.encode(made.encoder))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(matrix[20:, 0], (rows.checked.columns["amount"] + 1).astype(np.float32)[20:])
        np.testing.assert_array_equal(matrix[20:, 1], rows.checked.columns["amount"].astype(np.float32)[20:])


@pytest.mark.parametrize("fit", [lambda _: 1 / 0, lambda values: values["no such column"], lambda _: [1]])
def test_fit_that_fails_is_refused_with_its_line(fit: Any, rows: Dataset) -> None:
    with pytest.raises(FeatureError, match=r"test_features.py.*(ZeroDivisionError|KeyError|returns \[1\])"):
        FeatureMaker(CONTRACT, lambda c, _: {**c}, fit).learn(rows)
