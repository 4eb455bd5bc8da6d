"""Jobs: what a user asks for, the states it goes through, and what is said of it."""
