"""Entry point of ``python -m grouping.cli``, by which the service starts its own processes."""

from grouping.cli import main

if __name__ == "__main__":
    main()
