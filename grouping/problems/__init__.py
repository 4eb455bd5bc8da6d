"""What can be trained: built-in problems and those of installed plug-ins."""
