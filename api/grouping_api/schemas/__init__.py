"""The shapes of requests and answers. Pydantic stops here: everything behind it is plain domain types."""
