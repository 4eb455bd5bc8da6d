"""The dispatcher: claims jobs, plans and records their trainings, and never imports what trains."""
