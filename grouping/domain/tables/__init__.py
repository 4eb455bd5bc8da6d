"""Tables of losses: measured or expected, by network and task, and what is read and written of them."""
