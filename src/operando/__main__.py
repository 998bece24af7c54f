"""`python -m operando`; Ctrl-C is quiet even before the command line has been read."""

import sys


def main() -> None:
    """The command line."""
    try:
        from operando.cli import main as commands
    except KeyboardInterrupt:
        sys.exit(130)
    commands()


if __name__ == "__main__":
    main()
