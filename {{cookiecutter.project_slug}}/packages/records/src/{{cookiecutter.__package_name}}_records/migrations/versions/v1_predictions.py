"""The table `predictions`."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Create the table, unless a service has done so that knew no migrations."""
    if sa.inspect(op.get_bind()).has_table("predictions"):
        return
    op.create_table(
        "predictions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="when the answer was made, UTC"),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("row", sa.Integer, nullable=False, comment="which instance of the request, from zero"),
        sa.Column("model_version", sa.String(12), nullable=False),
        sa.Column("milliseconds", sa.Float, nullable=False, comment="from the request's head to its predictions"),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("label", sa.String, comment="the class predicted"),
        sa.Column("value", sa.Float, comment="the number predicted"),
        sa.Column("probabilities", sa.JSON, comment="of each class"),
    )
    op.create_index("ix_predictions_at", "predictions", ["at"])
    op.create_index("ix_predictions_request_id", "predictions", ["request_id"])
