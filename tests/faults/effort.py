"""How often things are killed: a little in the usual run, and as much as was promised by `make faults`."""

from __future__ import annotations

import os

WHOLE = os.environ.get("GROUPING_ALL_FAULTS") == "1"
KILLS = int(os.environ.get("GROUPING_KILLS", "300" if WHOLE else "1"))
"""Random kills of each target."""
STORMS = int(os.environ.get("GROUPING_STORMS", "100" if WHOLE else "1"))
"""Times that everything is killed within seconds."""
STOPPED_S = 30.0 if WHOLE else 5.0
"""How long the database is away."""
