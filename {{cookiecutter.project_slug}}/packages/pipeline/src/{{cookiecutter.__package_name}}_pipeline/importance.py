"""Permutation importance: how much worse the main metric gets when the values of one feature are shuffled.

Breiman, 2001, Random Forests, https://doi.org/10.1023/A:1010933404324; here for any model, on rows that it was not
fitted on.
"""

from collections.abc import Iterator

import numpy as np

from {{ cookiecutter.__package_name }}_predict.contract import Contract
from {{ cookiecutter.__package_name }}_predict.encoding import Encoded, length_of, word_count_of
from {{ cookiecutter.__package_name }}_predict.fields import Text
from {{ cookiecutter.__package_name }}_predict.model import Model

from .dataset import Dataset
from .metrics import Answers, Metric, shorten, try_metric
from .scores import Importance

MOST_ROWS = 2000
REPEATS = 5


def measure_importance(model: Model, rows: Dataset, name: str, metric: Metric, seed: int) -> dict[str, Importance]:
    """Return the importance of each feature of the contract, the most important first.

    Args:
        model: the model.
        rows: the holdout, of which at most `MOST_ROWS` are used.
        name: of the main metric.
        metric: the main metric.
        seed: of the shuffles.
    """
    rng = np.random.default_rng(seed)
    part = rows.take(np.sort(rng.permutation(len(rows))[:MOST_ROWS]))
    encoded, sign = part.encode(model.encoder), -1 if metric.less_is_better else 1

    def score(changed: Encoded) -> Iterator[float]:
        answers = Answers(rows.contract, part.target, model.run(changed).astype(np.float64), model.decision, part)
        yield from (sign * value for value in try_metric(answers, name, metric))

    found, whole = {}, list(score(encoded))
    for feature in rows.contract.features:
        shuffled = (score(_shuffle(encoded, feature, model, rng)) for _ in range(REPEATS if whole else 0))
        losses = [whole[0] - value for values in shuffled for value in values]
        if losses:
            spread = shorten(float(np.std(losses)))
            found[feature] = Importance(loss=shorten(float(np.mean(losses))), spread=spread)
    return dict(sorted(found.items(), key=lambda item: -item[1].loss))


def _shuffle(rows: Encoded, feature: str, model: Model, rng: np.random.Generator) -> Encoded:
    order, numbers = rng.permutation(len(rows.numbers)), rows.numbers.copy()
    for column in columns_of(model.contract, feature):
        place = model.encoder.columns.index(column)
        numbers[:, place] = numbers[order, place]
    texts = {
        name: [values[index] for index in order] if name == feature else values for name, values in rows.texts.items()
    }
    return Encoded(numbers, texts)


def columns_of(contract: Contract, feature: str) -> tuple[str, ...]:
    """Return the columns of numbers that a feature is encoded as."""
    if isinstance(contract.features[feature], Text):
        return length_of(feature), word_count_of(feature)
    return (feature,)
