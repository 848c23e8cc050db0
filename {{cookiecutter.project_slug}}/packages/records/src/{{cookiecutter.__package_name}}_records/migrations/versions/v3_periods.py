"""The tables `prediction_periods` and `prediction_counts`."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Create the tables of numbers by minute and hour; they begin with what is logged from now on."""
    op.create_table(
        "prediction_periods",
        sa.Column("seconds", sa.Integer, primary_key=True, comment="how long the period is: 60 or 3600"),
        sa.Column("start", sa.BigInteger, primary_key=True, comment="when it begins, in seconds since 1970"),
        sa.Column("model_version", sa.String(12), primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("milliseconds", sa.Float, nullable=False, comment="the sum over the requests"),
        sa.Column("slowest", sa.Float, nullable=False, comment="the milliseconds of the slowest request"),
        sa.Column("total", sa.Float, nullable=False, comment="the sum of the predicted numbers"),
        sa.Column("lowest", sa.Float, comment="the lowest predicted number"),
        sa.Column("highest", sa.Float, comment="the highest predicted number"),
    )
    op.create_table(
        "prediction_counts",
        sa.Column("seconds", sa.Integer, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True),
        sa.Column("model_version", sa.String(12), primary_key=True),
        sa.Column("kind", sa.String(10), primary_key=True, comment="latency, label, decile or unusual"),
        sa.Column("name", sa.String, primary_key=True, comment="the bound, the class, the decile or the field"),
        sa.Column("count", sa.BigInteger, nullable=False, comment="requests by latency, and rows by the rest"),
    )
