"""Leases of single trials, for workers that ask for them over HTTP."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision: str | None = "0010"
branch_labels = None
depends_on = None

_INDEX = "ix_trials_lease_token"


def upgrade() -> None:
    op.add_column("trials", sa.Column("lease_owner", sa.Text(), nullable=True))
    op.add_column("trials", sa.Column("lease_token", sa.String(length=32), nullable=True))
    op.add_column("trials", sa.Column("lease_s", sa.Double(), nullable=True))
    op.add_column("trials", sa.Column("lease_expires_s", sa.Double(), nullable=True))
    op.create_index(_INDEX, "trials", ["lease_token"], unique=True)


def downgrade() -> None:
    op.drop_index(_INDEX, "trials")
    for name in ("lease_expires_s", "lease_s", "lease_token", "lease_owner"):
        op.drop_column("trials", name)
