"""The vocabulary of the project: plain immutable types on NumPy, without any framework."""
