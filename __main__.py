"""Run `python -m mmbench`."""

from .cli.main import main

if __name__ == "__main__":
    main()
