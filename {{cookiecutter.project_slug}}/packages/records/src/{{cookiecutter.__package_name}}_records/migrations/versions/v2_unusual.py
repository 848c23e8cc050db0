"""The column `unusual`."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Add the names of the fields whose values are unusual."""
    comment = "the names of the fields whose values are unusual, as a list in JSON"
    op.add_column("predictions", sa.Column("unusual", sa.String, comment=comment))
