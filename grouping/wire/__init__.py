"""The wire: what is asked and answered over HTTP, said once for API, client and command line.

Answers are read from domain objects (`grouping.wire.common.Output`), requests of a job are made from the
domain's own declaration of it (`grouping.wire.requests`). Pydantic stops here: everything below is plain
domain types.
"""
