"""Make a model with ten derived features, a date and an open category of 1,000 values; print a row that it accepts."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from lightgbm import LGBMClassifier
from penguins_pipeline.dataset import load_dataset
from penguins_pipeline.export import export
from penguins_pipeline.features import FeatureMaker
from penguins_pipeline.learner import Learner
from penguins_predict import Contract
from penguins_predict.artefact import Decision, Lineage

ROWS = 20_000
CONTRACT = Contract.model_validate(
    {
        "features": {
            "amount": {"type": "number", "expected": [0, 1000], "missing": True},
            "cost": {"type": "number", "missing": True},
            "items": {"type": "integer"},
            "age": {"type": "integer", "missing": True},
            "ordered_at": {"type": "datetime"},
            "customer_since": {"type": "date"},
            "channel": {"type": "category", "values": ["app", "shop", "web"]},
            "segment": {"type": "category", "values": ["new", "old", "vip"]},
            "shop": {"type": "category", "open": True},
        },
        "target": {"late": {"type": "boolean"}},
    }
)


def features(c: Any, f: Any) -> dict[str, Any]:
    """Return ten derived features and the shop."""
    hour = f.hour(c.ordered_at)
    return {
        "price_per_item": f.where(c["items"] > 0, c.amount / c["items"], f.missing),
        "log_amount": f.log1p(c.amount),
        "margin": f.clip(c.amount - c.cost, -1000, 1000),
        "weekday": f.weekday(c.ordered_at),
        "hour_sin": f.cycle_sin(hour, 24),
        "hour_cos": f.cycle_cos(hour, 24),
        "days_as_customer": f.days_between(c.customer_since, c.ordered_at),
        "age_bucket": f.bucket(c.age, [18, 30, 45, 65]),
        "web_and_new": (c.channel == "web") & (c.segment == "new"),
        "cheap": c.amount < 10,
        "shop": c.shop,
    }


def make_rows() -> pd.DataFrame:
    """Return orders."""
    rng = np.random.default_rng(0)
    amount = rng.lognormal(3, 1.5, ROWS).round(2)
    times = pd.to_datetime(rng.integers(1_600_000_000, 1_780_000_000, ROWS), unit="s")
    since = pd.to_datetime(rng.integers(1_200_000_000, 1_600_000_000, ROWS), unit="s")
    return pd.DataFrame(
        {
            "amount": amount,
            "cost": rng.lognormal(2.8, 1.5, ROWS).round(2),
            "items": rng.integers(0, 20, ROWS),
            "age": rng.integers(16, 95, ROWS),
            "ordered_at": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "customer_since": since.strftime("%Y-%m-%d"),
            "channel": rng.choice(["app", "shop", "web"], ROWS),
            "segment": rng.choice(["new", "old", "vip"], ROWS),
            "shop": [f"shop-{number:04}" for number in rng.integers(0, 1000, ROWS)],
            "late": (amount > 30) ^ (rng.random(ROWS) < 0.2),
        }
    )


def build() -> LGBMClassifier:
    """Return an estimator."""
    return LGBMClassifier(n_estimators=200, learning_rate=0.05, deterministic=True, verbose=-1)


def write_model(path: Path) -> None:
    """Write the model file."""
    rows = load_dataset(pa.Table.from_pandas(make_rows(), preserve_index=False), CONTRACT)
    learner = Learner(FeatureMaker(CONTRACT, features), build, seed=0)
    model, _ = export(learner.fit(rows), Decision(), rows, Lineage(inputs={}, params={}))
    path.write_bytes(model)


def main(path: Path) -> int:
    """Write the model file, and print a row."""
    write_model(path)
    print(json.dumps(json.loads(make_rows().drop(columns="late").iloc[:1].to_json(orient="records"))[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
