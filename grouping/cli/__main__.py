"""``python -m grouping.cli``: how the service starts its own processes."""

from grouping.cli import main

if __name__ == "__main__":
    main()
