"""Workers: the dispatcher, which claims jobs from the database, and the Ray driver that trains for it."""
