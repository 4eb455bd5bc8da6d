"""What users ask of the service, one file each, and nothing of how they ask: no HTTP, no pages, no terminal.

The API, the web view and the command line call the same functions. Here a request is checked and carried out;
what is answered is a type of `grouping.wire`, or of the domain.
"""
