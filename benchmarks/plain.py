"""What the service is measured against: the routes that one would write first, in the default project's environment."""

from typing import Any

import pandas as pd
from fastapi import FastAPI, Request, Response
from penguins_pipeline.dataset import load_dataset, read_table
from penguins_pipeline.learner import Learner
from penguins_pipeline.project import Project
from penguins_predict.fields import Category
from pydantic import BaseModel, create_model

PROJECT = Project.load()
CONTRACT = PROJECT.contract
FITTED = Learner.of(PROJECT).fit(load_dataset(read_table(PROJECT.paths.train), CONTRACT))
COLUMNS: dict[str, Any] = {
    name: (str if isinstance(field, Category) else float, ...) if not field.missing else (str | float | None, None)
    for name, field in CONTRACT.features.items()
}
Row = create_model("Row", **COLUMNS)
app = FastAPI()


class Instances(BaseModel):
    """The body of a request."""

    instances: list[Row]  # type: ignore[valid-type]  # made above


@app.post("/plain")
def plain(body: Instances) -> dict[str, Any]:
    """Predict with the training library, by way of pandas."""
    frame = pd.DataFrame([row.model_dump() for row in body.instances], columns=list(CONTRACT.features))
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    features = FITTED.features
    shares = FITTED.compute_outputs(features.compute(features.encoder.encode(rows)))
    best = shares.argmax(axis=1)
    return {
        "predictions": [
            {"prediction": CONTRACT.classes[index], "probabilities": dict(zip(CONTRACT.classes, row, strict=True))}
            for index, row in zip(best.tolist(), shares.tolist(), strict=True)
        ]
    }


@app.post("/echo")
async def echo(request: Request) -> Response:
    """Send the body back."""
    return Response(await request.body(), media_type="application/json")
