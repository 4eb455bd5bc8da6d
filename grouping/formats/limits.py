"""Size limits of a score table in a file. Larger ones are refused by counting, before parsing."""

from __future__ import annotations

MAX_BYTES = 128 * 2**20
"""Bytes of a file. A long table of a million rows with groups of ten tasks takes some 80 MB."""
MAX_LINES = 2_000_000
"""Lines of a text file, or rows of a Parquet file."""
MAX_LINE_CHARACTERS = 110_000
"""Characters of one line: about what the longest names of `grouping.domain.tasks.MAX_TASKS` tasks take."""
MAX_NUMBER_CHARACTERS = 1_000
"""Characters of one number; the longest exact decimal of a double has 770."""
MAX_UNPACKED_BYTES = 512 * 2**20
"""Bytes of a Parquet file's columns as they are before compression."""
MAX_OTHER_COSTS = 20
MAX_NETWORKS = 200_000
MAX_TABLE_SEEDS = 64
MAX_LOSS = 1e100
"""Largest loss, without its sign. Sums, squares and ratios of such losses stay within a double."""
MAX_RESULTS = 4_000_000
"""Cells times seeds; a cell is a task of the group of a network."""
MAX_LISTED = 20
"""How many of a kind a report names; all are counted."""
