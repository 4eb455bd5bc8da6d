"""Faults of trials by class, and what their losses say about them; those of machines use up no attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision: str | None = "0018"
branch_labels = None
depends_on = None

_COUNTS = ("failures", "losses", "shortages")


def upgrade() -> None:
    for name in _COUNTS:
        op.add_column("trials", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("trials", sa.Column("reached", sa.Double(), nullable=True))
    op.add_column("trials", sa.Column("fault", sa.String(20), nullable=True))
    # What failed before was not classed; what diverged is told from it by its state.
    op.execute("UPDATE trials SET fault = 'diverged' WHERE state = 'diverged'")
    op.execute("UPDATE trials SET fault = 'user' WHERE state = 'failed'")
    op.drop_column("trials", "blame")
    op.add_column("jobs", sa.Column("missing", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "missing")
    op.add_column("trials", sa.Column("blame", sa.Integer(), nullable=False, server_default="0"))
    for name in ("fault", "reached", *_COUNTS):
        op.drop_column("trials", name)
