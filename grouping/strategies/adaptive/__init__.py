"""The adaptive search: a model of the losses, and the solver in the loop."""
