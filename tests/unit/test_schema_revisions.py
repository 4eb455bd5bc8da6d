"""The revisions of the schema are known without Alembic, and are those that Alembic finds."""

from __future__ import annotations

import subprocess
import sys

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from grouping.store.migrations import revisions
from grouping.store.migrations.running import configured


def test_the_names_of_the_files_are_the_revisions_in_their_order() -> None:
    with create_engine("sqlite://").connect() as connection:
        script = ScriptDirectory.from_config(configured(connection))
    newest_first = [revision.revision for revision in script.walk_revisions()]
    assert revisions() == newest_first[::-1]


def test_a_process_that_migrates_nothing_is_spared_the_import_of_alembic() -> None:
    code = "import sys; from grouping.store import open_store; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
