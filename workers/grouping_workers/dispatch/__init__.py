"""Dispatcher: claims jobs, plans and records their trainings; never imports what trains."""
