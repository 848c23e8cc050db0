"""Compare two distributions: the statistics behind drift detection."""

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2_contingency, fisher_exact

Floats = npt.NDArray[np.float64]
LEAST_EXPECTED = 5
LEAST_SHARE = 1e-4
MOST_BASELINE = 100_000


def stability_index(before: Floats, now: Floats) -> float:
    """Return the population stability index of two distributions over the same bins, of shape (bins,).

    It is the symmetric Kullback-Leibler divergence (Jeffreys, 1946), as used in credit scoring; a share of zero counts
    as `LEAST_SHARE`. By convention, a change of 0.1 or more is worth a look, and one of 0.25 or more is large.
    """
    before, now = np.maximum(before, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return float(((now - before) * np.log(now / before)).sum())


def settle(values: Floats, digits: int) -> Floats:
    """Round to significant digits: reference statistics are in single precision, and ties must stay ties."""
    return np.char.mod(f"%.{digits}g", values).astype(np.float64)


def restore_sample(quantiles: Floats, rows: int) -> Floats:
    """Return a sample with these percentiles, as large as the original one but at most `MOST_BASELINE`."""
    count = min(max(rows, 1), MOST_BASELINE)
    return np.interp((np.arange(count) + 0.5) / count, np.linspace(0, 1, len(quantiles)), quantiles)


def compare_counts(before: Floats, now: Floats) -> float:
    """Return the p-value of a chi-squared test of two lists of counts; values too rare for the test are pooled."""
    total = before.sum() + now.sum()
    if not before.sum() or not now.sum():
        return 1.0
    rare = (before + now) * min(before.sum(), now.sum()) / total < LEAST_EXPECTED
    table = np.array([[*side[~rare], side[rare].sum()] for side in (before, now)])
    table = table[:, table.sum(axis=0) > 0]
    return float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0


def compare_shares(count: int, rows: int, count_before: int, rows_before: int) -> float:
    """Return the p-value of Fisher's exact test that something occurs no more often than before."""
    if not count:
        return 1.0
    table = [[count, rows - count], [count_before, rows_before - count_before]]
    return float(fisher_exact(table, alternative="greater").pvalue)
