"""The exact search of a listed table: bound, fix, enumerate, and a 0/1 programme for what remains."""
