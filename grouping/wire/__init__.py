"""Wire types: requests and answers of the HTTP API, shared by API, client and command line.

Answers are read from domain objects (`grouping.wire.base_types.Output`), requests of a job are made from the
domain's own declaration of it (`grouping.wire.requests`). Pydantic stops here: the layers below use plain
domain types.
"""
