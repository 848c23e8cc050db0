"""The split and the folds: by share, time or group; what leaks from one part into another is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from {{ cookiecutter.__package_name }}_pipeline.dataset import Dataset, load_dataset
from {{ cookiecutter.__package_name }}_pipeline.params import SplitParams
from {{ cookiecutter.__package_name }}_pipeline.splits import (
    hold_out,
    inner_folds,
    make_folds,
    refuse_leaks,
)
from {{ cookiecutter.__package_name }}_predict import Contract
from {{ cookiecutter.__package_name }}_predict.errors import ConfigError, DataError

FIELDS: dict[str, Any] = {
    "keys": {"id": "order", "time": "at", "group": "firm"},
    "features": {"size": {"type": "number"}},
}
NUMBER = {"price": {"type": "number"}}
CLASS = {"price": {"type": "category", "values": ["low", "high"]}}


def how(by: str, **more: Any) -> SplitParams:
    """Return the section `split` of params.yaml."""
    return SplitParams.model_validate({"by": by, "holdout": 0.25, "folds": 4, **more})


def make_rows(target: dict[str, Any] = NUMBER, count: int = 200, rare: int = 20, **changes: Any) -> Dataset:
    """Return rows of ten firms, a day apart, in no order."""
    rng = np.random.default_rng(0)
    order = rng.permutation(count)
    columns: dict[str, Any] = {
        "order": [f"o-{number}" for number in order],
        "at": [str(np.datetime64("2024-01-01") + np.timedelta64(int(day), "D")) for day in order],
        "firm": [f"firm-{number % 10}" for number in order],
        "size": rng.normal(size=count),
        "price": rng.normal(size=count) if target == NUMBER else ["high"] * rare + ["low"] * (count - rare),
    }
    contract = Contract.model_validate({**FIELDS, "target": target})
    return load_dataset(pa.table({**columns, **changes}), contract)


def held(rows: Dataset, params: SplitParams) -> np.ndarray:
    """Return which rows are held out."""
    mask = np.zeros(len(rows), dtype=bool)
    mask[hold_out(rows, params, seed=1)] = True
    return mask


@pytest.mark.parametrize("target", [NUMBER, CLASS])
def test_share_is_drawn_at_random_and_classes_keep_theirs(target: dict[str, Any]) -> None:
    rows = make_rows(target)
    mask = held(rows, how("share"))
    assert mask.sum() == 50
    if target == CLASS:
        assert rows.target[mask].sum() == 5
    np.testing.assert_array_equal(held(rows, how("share")), mask)


def test_time_holds_the_newest_rows_out() -> None:
    rows = make_rows()
    mask, times = held(rows, how("time")), rows.checked.columns["at"]
    assert mask.sum() == 50
    assert times[mask].min() > times[~mask].max()
    refuse_leaks(rows, mask, how("time"))
    assert held(rows, how("time", after="2024-07-01")).sum() == 200 - 182
    for fitted, measured in make_folds(rows, how("time"), seed=1):
        assert times[fitted].max() < times[measured].min()


def test_folds_by_time_do_not_share_a_moment() -> None:
    rows = make_rows(at=["2024-01-01"] * 30 + ["2024-01-02"] * 90 + ["2024-01-03"] * 80)
    times = rows.checked.columns["at"]
    folds = make_folds(rows, how("time"), seed=1)
    assert len(folds) == how("time").folds
    for fitted, measured in folds:
        assert times[fitted].max() < times[measured].min()
    with pytest.raises(DataError, match="cannot be divided by at: no row is before the first fold, since many have"):
        make_folds(make_rows(at=["2024-01-01"] * 200), how("time"), seed=1)


@pytest.mark.parametrize("target", [NUMBER, CLASS])
def test_group_holds_whole_groups_out(target: dict[str, Any]) -> None:
    rows = make_rows(target)
    mask, firms = held(rows, how("group")), rows.codes("firm")
    assert 0 < mask.sum() < 200
    refuse_leaks(rows, mask, how("group"))
    for fitted, measured in [*make_folds(rows, how("group"), seed=1), *inner_folds(rows, seed=1)]:
        assert not np.intersect1d(firms[fitted], firms[measured]).size


def test_folds_use_each_row_once() -> None:
    rows = make_rows()
    folds = make_folds(rows, how("share"), seed=1)
    assert sorted(np.concatenate([measured for _, measured in folds])) == list(range(200))


def test_leak_of_a_group_is_refused() -> None:
    rows = make_rows()
    with pytest.raises(
        DataError,
        match="10 values of firm are both in training and in the holdout, such as 'firm-0'; .*set split.by to group",
    ):
        refuse_leaks(rows, held(rows, how("share")), how("share"))


def test_sensitive_key_is_not_shown_where_it_leaks() -> None:
    rows = make_rows()
    hidden = rows.contract.model_copy(update={"keys": rows.contract.keys.model_copy(update={"sensitive": True})})
    secret = Dataset(Contract.model_validate(hidden.model_dump(exclude_unset=True)), rows.checked)
    with pytest.raises(DataError, match="such as a value that is not shown;"):
        refuse_leaks(secret, held(rows, how("share")), how("share"))


def test_leak_of_an_id_is_refused() -> None:
    rows = make_rows(order=["same"] * 200)
    with pytest.raises(DataError, match="1 values of order are both .* 'same'; .*remove the repeated rows"):
        refuse_leaks(rows, held(rows, how("time")), how("time"))


def test_leak_of_the_future_is_refused() -> None:
    rows = make_rows()
    mask = held(rows, how("time"))
    mask[np.flatnonzero(mask)[0]] = False
    with pytest.raises(
        DataError, match="leaves rows in training whose at is not before that of all rows of the holdout"
    ):
        refuse_leaks(rows, mask, how("time"))


def test_time_without_a_value_in_each_row_is_refused() -> None:
    contract = Contract.model_validate(
        {"keys": {"time": "at"}, "features": {"at": {"type": "date", "missing": True}}, "target": NUMBER}
    )
    rows = load_dataset(pa.table({"at": ["2024-01-01", None], "price": [1.0, 2.0]}), contract)
    with pytest.raises(DataError, match="1 rows have no at; a split by time needs it in each row"):
        hold_out(rows, how("time"), seed=1)


@pytest.mark.parametrize("by", ["time", "group"])
def test_split_by_a_key_that_the_contract_lacks_is_refused(by: str) -> None:
    rows = make_rows()
    bare = replace(
        rows, contract=rows.contract.model_copy(update={"keys": rows.contract.keys.model_copy(update={by: None})})
    )
    for split in (hold_out, make_folds):
        with pytest.raises(ConfigError, match=f"split.by is {by}, but schema.yaml names no column under keys: {by}"):
            split(bare, how(by), 1)


def test_border_that_is_no_date_is_refused() -> None:
    with pytest.raises(ConfigError, match="split.after: found 'July', expected a date such as"):
        hold_out(make_rows(), how("time", after="July"), seed=1)


@pytest.mark.parametrize(
    ("rows", "params"),
    [
        (make_rows(CLASS, count=10, rare=1), how("share")),
        (make_rows(firm=["one"] * 200), how("group")),
        (make_rows(count=1), how("share")),
    ],
)
def test_too_few_rows_are_refused(rows: Dataset, params: SplitParams) -> None:
    with pytest.raises(DataError, match="rows cannot be split: .*; supply more rows"):
        hold_out(rows, params, seed=1)


@pytest.mark.parametrize(
    ("rows", "params"),
    [
        (make_rows(CLASS, count=10, rare=1), how("share")),
        (make_rows(firm=["one"] * 200), how("group")),
        (make_rows(count=3), how("time")),
        (make_rows(count=1), how("share")),
    ],
)
def test_too_few_rows_for_folds_are_refused(rows: Dataset, params: SplitParams) -> None:
    with pytest.raises(DataError, match="rows cannot be divided"):
        make_folds(rows, params, seed=1)
