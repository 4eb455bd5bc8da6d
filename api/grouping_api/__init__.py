"""The HTTP API and the web view: FastAPI in front of the store, the solver and the registries."""
