"""Dispatcher: claims jobs and looks after their processes; never imports what trains."""
