"""The entry point: what went wrong in at most three lines, and the exit code that says whose it is."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

from operando.core.errors import OperandoError

from .app import app

#: modules whose commands join the application, in the order of --help
for name in ("run", "reproduce", "twin", "look", "tomography", "model", "show", "watch"):
    import_module(f"{__package__}.{name}")


def _tell(error: OperandoError) -> None:
    """Where and what in one line, what to do in the next."""
    where = f"{error.where}: " if error.where else ""
    print(f"operando: {where}{error.what}", file=sys.stderr)
    if error.fix:
        print(f"          {error.fix}", file=sys.stderr)


def _tell_stopped() -> None:
    again = "; run the same command again to continue" if sys.argv[1:2] in (["run"], ["recon"]) else ""
    print(f"\noperando: stopped{again}", file=sys.stderr)


def _insist(dropped: Any) -> None:
    """Send Ctrl-C once more where it fell into a callback of the interpreter, in which exceptions are dropped."""
    if dropped.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(dropped)
        return
    import signal
    import threading

    main_thread = threading.main_thread().ident or 0
    threading.Timer(0.05, signal.pthread_kill, (main_thread, signal.SIGINT)).start()


def main() -> None:
    """Entry point: user errors in at most three lines, exit codes 0 done, 1 failed, 2 wrong usage or input."""
    sys.unraisablehook = _insist
    for library in ("pyFAI", "fabio", "silx"):  # their words for a person are ours to choose
        logging.getLogger(library).addHandler(logging.NullHandler())
    try:
        app()
    except SystemExit as done:
        if done.code == 130:
            _tell_stopped()
        raise
    except KeyboardInterrupt:
        _tell_stopped()
        sys.exit(130)
    except OperandoError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except OSError as error:
        if "-v" in sys.argv or "--verbose" in sys.argv:
            raise
        fix = "Check that the place exists, has room, and is yours to write."
        _tell(OperandoError(error.strerror or str(error), where=str(error.filename or ""), fix=fix))
        sys.exit(1)
    except MemoryError:
        fix = "Close other programs, or ask for fewer bins, points or rings."
        _tell(OperandoError("not enough memory", fix=fix))
        sys.exit(1)
    except Exception as error:
        logging.getLogger("operando").debug("unexpected", exc_info=True)
        if "-v" in sys.argv or "--verbose" in sys.argv:
            raise
        print(f"operando: unexpected {type(error).__name__}: {error}", file=sys.stderr)
        print(
            "          This is a defect of operando. Run again with -v and report what it prints.",
            file=sys.stderr,
        )
        sys.exit(1)
