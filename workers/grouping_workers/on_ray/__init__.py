"""Training on Ray: the executor of a job, its pool of actors, and the shares of a cluster."""
