"""Workers: the dispatcher, which claims jobs from the database, and the processes that work on them."""
