"""Learn from the training rows which values open categories have, and which words of texts count."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow.compute as pc

from {{ cookiecutter.__package_name }}_predict.encoding import Vocabulary, Words, split_words
from {{ cookiecutter.__package_name }}_predict.errors import DataError
from {{ cookiecutter.__package_name }}_predict.fields import Category

from .dataset import Dataset
from .expressions import Column
from .traversal import find_lookups

MOST_VALUES = 100_000
MOST_WORDS = 1000
FEWEST_TEXTS = 2  # in which a word occurs


def learn_values(rows: Dataset, made: Iterable[Column]) -> Vocabulary:
    """Return the values of open categories, the most frequent first, without the words of texts.

    Args:
        rows: the training rows.
        made: the columns of features.py; values that they look up follow those of the rows.

    Raises:
        DataError: a category has too many values.
    """
    values, seen = {}, {}
    for name, field in rows.contract.features.items():
        if not isinstance(field, Category) or not field.open:
            continue
        counts = pc.value_counts(rows.checked.columns[name].drop_null())
        pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
        known = [value for value, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))]
        if len(known) > MOST_VALUES:
            raise DataError(
                f"{name} has {len(known)} different values in {len(rows)} training rows, expected at most "
                f"{MOST_VALUES}; it looks like an identifier: declare it under keys in schema.yaml, or leave it out"
            )
        further = {value for column in made for table in find_lookups(column, name) for value in table}
        values[name], seen[name] = [*known, *sorted(further - set(known))], len(known)
    return Vocabulary(values=values, seen=seen)


def learn_words(rows: Dataset, made: Iterable[Column]) -> dict[str, Words]:
    """Return the words of each text among the columns of features.py that has words in several rows."""
    texts = dict.fromkeys(column.name for column in made if column.kind == "text")
    found = {name: count_words(rows.checked.columns[name].to_pylist()) for name in texts}
    return {name: words for name, words in found.items() if words.words}


def count_words(texts: Sequence[str | None]) -> Words:
    """Return the most frequent words and pairs of words, with inverse document frequencies as scikit-learn's."""
    counts = Counter(word for text in texts for word in set(split_words(text)))
    chosen = sorted(
        (word for word, count in counts.items() if count >= FEWEST_TEXTS), key=lambda word: (-counts[word], word)
    )
    words = sorted(chosen[:MOST_WORDS])
    weights = [float(np.log((1 + len(texts)) / (1 + counts[word])) + 1) for word in words]
    return Words(words=words, weights=weights)
