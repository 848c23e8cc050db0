"""Drift: compare production data with the reference statistics in the model file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import ks_2samp

from {{ cookiecutter.__package_name }}_batch.tables import NULLS, Checked, Fields, check_batch
from {{ cookiecutter.__package_name }}_predict.artefact import ColumnStatistics, ReferenceStatistics
from {{ cookiecutter.__package_name }}_predict.fields import AnyField, Category, Date, Number, Text
from {{ cookiecutter.__package_name }}_predict.model import Model

from ..settings import Drift
from .distributions import compare_counts, compare_shares, restore_sample, settle, stability_index
from .predictions import Predictions

Floats = npt.NDArray[np.float64]
KS, CHI_SQUARED = "Kolmogorov-Smirnov", "chi-squared"
BINS = 10
MOST_NEW = 20  # values of an open category in a report
FEATURE_DIGITS, OUTPUT_DIGITS = 6, 4  # exact in single precision; equal in ONNX and the training library
OUTPUT = "prediction"


@dataclass(frozen=True)
class Bin:
    """A bar of a plot: the share of rows in training and now."""

    name: str
    before: float
    now: float


@dataclass(frozen=True)
class Finding:
    """How a column compares with the reference statistics.

    Attributes:
        name: the feature, or `prediction`.
        rows: how many rows were compared.
        test: the test that compared the distributions.
        p_value: of that test; the probability of so large a difference if nothing has changed.
        psi: the population stability index.
        missing: the share of missing values.
        missing_before: the same in training.
        missing_p_value: of Fisher's exact test that it has not risen.
        new: values that are not in the training data, unusual, or that break the contract, with their counts.
        new_p_value: of Fisher's exact test that they are as rare as in training.
        bins: the distributions, for a plot.
        alarms: what exceeds the thresholds, in words.
    """

    name: str
    rows: int
    test: str
    p_value: float
    psi: float
    missing: float
    missing_before: float
    missing_p_value: float
    new: dict[str, int]
    new_p_value: float
    bins: list[Bin] = field(repr=False)
    alarms: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DriftReport:
    """The result of drift detection: findings, unless there are too few rows."""

    model: str
    source: str
    rows: int
    min_rows: int
    p_threshold: float
    findings: list[Finding]

    @property
    def enough(self) -> bool:
        """Whether there were enough rows to report drift."""
        return self.rows >= self.min_rows

    @property
    def alarms(self) -> list[str]:
        """Everything that exceeds the thresholds, in words."""
        return [f"{finding.name}: {alarm}" for finding in self.findings for alarm in finding.alarms]


def detect(model: Model, predictions: Predictions, settings: Drift) -> DriftReport:
    """Compare predictions with the reference statistics of a model.

    Distributions are compared by a two-sample Kolmogorov-Smirnov test (numbers) or a chi-squared test (categories); an
    alarm also needs a population stability index that reaches its threshold. The tests share the allowed rate of false
    alarms (Bonferroni), so an unchanged window raises any alarm at most that often.

    Sensitive features are left out: the model file does not describe them, and the log does not show them.

    Args:
        model: the model whose reference statistics to use.
        predictions: of any model; outputs are compared only for rows that this model answered.
        settings: the thresholds.
    """
    features = {name: spec for name, spec in model.contract.features.items() if not spec.sensitive}
    checked = check_batch(predictions.inputs, features, predictions.source)
    rows = len(predictions.answers)
    answered = predictions.of_model(model.version)
    report = DriftReport(model.version, predictions.source, rows, settings.min_rows, 0.0, [])
    if not report.enough:
        return report
    findings = list(_compare_features(model, features, predictions, checked))
    if int(answered.sum()) >= settings.min_rows:
        findings.append(_compare_output(model, predictions, answered))
    threshold = settings.false_alarms / (3 * max(len(findings), 1))  # three tests for each column
    judged = [replace(finding, alarms=list(_judge(finding, threshold, settings))) for finding in findings]
    return replace(report, p_threshold=threshold, findings=judged)


def _compare_features(model: Model, features: Fields, predictions: Predictions, checked: Checked) -> Iterator[Finding]:
    for name, spec in features.items():
        reference, values = model.reference.features[name], checked.columns[name]
        raw = predictions.inputs.column(name).to_pylist()
        if isinstance(spec, Category) and spec.open:
            known = dict.fromkeys(model.encoder.values[name][: model.encoder.vocabulary.seen[name]])
            strange = Counter(value for value in raw if not _is_missing(value) and value not in known)
            levels = tuple(reference.counts)
            codes = _find_levels(values, list(known), levels)
            yield _compare_levels(name, codes, levels, reference, strange, model.reference)
            continue
        numbers = _measure(values) if isinstance(spec, Text) else values
        lost = (value for value, code in zip(raw, numbers, strict=True) if np.isnan(code))
        strange = Counter(str(value) for value in lost if not _is_missing(value))
        if isinstance(spec, Category):
            yield _compare_levels(name, numbers, spec.values, reference, strange, model.reference)
        else:
            yield _compare_numbers(name, numbers, spec, reference, strange.total(), model.reference)


def _find_levels(values: pa.Array, known: list[str], levels: tuple[str, ...]) -> Floats:
    """Return the index of each value of an open category among the levels; the last is for all other known values."""
    codes = pc.index_in(values, pa.array(known, pa.string())).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(np.minimum(codes, len(levels) - 1))


def _measure(texts: pa.Array) -> Floats:
    lengths: Floats = pc.utf8_length(texts).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return lengths


def _is_missing(value: object) -> bool:
    """Return whether a value that breaks the contract is missing, rather than unknown."""
    return value is None or value != value or value in NULLS


def _compare_output(model: Model, predictions: Predictions, answered: "npt.NDArray[np.bool_]") -> Finding:
    reference, chosen = model.reference.output, np.flatnonzero(answered).tolist()
    answers = [predictions.answers[index] for index in chosen]
    if classes := model.contract.classes:
        codes = np.array([classes.index(answer) if answer in classes else np.nan for answer in answers], dtype=float)
        return _compare_levels(OUTPUT, codes, classes, reference, {}, model.reference)
    return _compare_numbers(OUTPUT, np.array(answers, dtype=float), None, reference, 0, model.reference)


def _compare_levels(
    name: str,
    codes: Floats,
    values: tuple[str, ...],
    reference: ColumnStatistics,
    strange: Mapping[str, int],
    whole: ReferenceStatistics,
) -> Finding:
    present = codes[~np.isnan(codes)].astype(int)
    now = np.bincount(present, minlength=len(values)).astype(float)
    before = np.array([reference.counts.get(value, 0) for value in values], dtype=float)
    unseen = {value: int(count) for value, count, seen in zip(values, now, before, strict=True) if count and not seen}
    known = before > 0
    return _finding(
        name,
        len(codes),
        CHI_SQUARED,
        compare_counts(before[known], now[known]),
        list(zip(values, before, now, strict=True)),
        missing=int(np.isnan(codes).sum()) - sum(strange.values()),
        new={**dict(Counter(strange).most_common(MOST_NEW)), **unseen},
        reference=reference,
        whole=whole,
    )


def _compare_numbers(
    name: str,
    values: Floats,
    spec: AnyField | None,
    reference: ColumnStatistics,
    refused: int,
    whole: ReferenceStatistics,
) -> Finding:
    digits = FEATURE_DIGITS if spec else OUTPUT_DIGITS
    present, quantiles = settle(values[~np.isnan(values)], digits), settle(np.array(reference.quantiles), digits)
    accepts = spec.accepts if spec else "a number"
    p_value, bins = 1.0, list[tuple[str, float, float]]()
    if len(present) and len(quantiles) and not isinstance(spec, Date):  # dates always go on
        sample = restore_sample(quantiles, round(whole.rows * (1 - reference.missing)))
        p_value = float(ks_2samp(sample, present, method="asymp").pvalue)
        edges = np.unique(np.quantile(quantiles, np.linspace(0, 1, BINS + 1))[1:-1])
        counts = (np.bincount(np.searchsorted(edges, part), minlength=len(edges) + 1) for part in (sample, present))
        bins = list(zip(_name_bins(edges), *counts, strict=True))
    missing = int(np.isnan(values).sum()) - refused
    new = {f"other than {accepts}": refused} if refused else {}
    if isinstance(spec, Number) and spec.expected:
        unusual = int(((values < spec.expected[0]) | (values > spec.expected[1])).sum())
        new |= {f"outside the usual {spec.expected[0]:g} to {spec.expected[1]:g}": unusual} if unusual else {}
    return _finding(name, len(values), KS, p_value, bins, missing=missing, new=new, reference=reference, whole=whole)


def _finding(
    name: str,
    rows: int,
    test: str,
    p_value: float,
    counts: list[tuple[str, float, float]],
    *,
    missing: int,
    new: dict[str, int],
    reference: ColumnStatistics,
    whole: ReferenceStatistics,
) -> Finding:
    labels = [label for label, *_ in counts]
    sides = (np.array([numbers[index] for _, *numbers in counts], dtype=float) for index in (0, 1))
    shares = [side / max(side.sum(), 1) for side in sides]
    missing_before = round(reference.missing * whole.rows)
    return Finding(
        name=name,
        rows=rows,
        test=test,
        p_value=_short(p_value),
        psi=_short(stability_index(shares[0], shares[1])),
        missing=_short(missing / rows),
        missing_before=reference.missing,
        missing_p_value=_short(compare_shares(missing, rows, missing_before, whole.rows)),
        new=new,
        new_p_value=_short(compare_shares(sum(new.values()), rows, round(reference.unusual * whole.rows), whole.rows)),
        bins=[Bin(label, _short(a), _short(b)) for label, a, b in zip(labels, *shares, strict=True)],
    )


def _judge(finding: Finding, threshold: float, settings: Drift) -> Iterator[str]:
    if finding.p_value < threshold and finding.psi >= settings.psi:
        yield f"its distribution has changed ({finding.test} p = {finding.p_value:.3g}, PSI {finding.psi:.3g})"
    rise = finding.missing - finding.missing_before
    if finding.missing_p_value < threshold and rise >= settings.missing:
        yield f"{finding.missing:.1%} of the values are missing, {finding.missing_before:.1%} were in training"
    if finding.new_p_value < threshold:
        yield "values not seen in training: " + ", ".join(f"{name} ({n})" for name, n in finding.new.items())


def _name_bins(edges: Floats) -> list[str]:
    names = [f"{edge:.4g}" for edge in edges]
    ranges = [f"{low} to {high}" for low, high in pairwise(names)]
    return [f"up to {names[0]}", *ranges, f"above {names[-1]}"] if names else ["all"]


def _short(value: float) -> float:
    return float(f"{value:.6g}")
