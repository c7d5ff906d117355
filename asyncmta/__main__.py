"""`python -m asyncmta` is `asyncmta`."""

from asyncmta.cli.main import main

if __name__ == "__main__":
    main()
