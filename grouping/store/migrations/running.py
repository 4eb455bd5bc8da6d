"""Alembic's part of a migration; apart, since its import takes a quarter of a second of every process."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Run the migrations up to the newest within the transaction of a connection."""
    command.upgrade(configured(connection), "head")


def configured(connection: Connection) -> Config:
    """Return what Alembic needs to know to run these migrations on a connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
