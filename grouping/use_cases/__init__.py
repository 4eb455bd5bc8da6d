"""Use cases of the service, one file each, without HTTP, pages or terminal.

The API, the web view and the command line call the same functions. Here a request is checked and carried out;
the answer is a type of `grouping.wire`, or of the domain.
"""
