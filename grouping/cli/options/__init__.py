"""Options of the commands, and what they are turned into."""
