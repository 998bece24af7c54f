"""The entry point: what went wrong in at most three lines, and the exit code that says whose it is."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Any

import typer

from operando.core.errors import OperandoError

from .app import app

#: modules whose commands join the application, in the order of --help
for name in (
    "twin",
    "run",
    "watch",
    "show",
    "look",
    "calibrate",
    "reproduce",
    "tomography",
    "segment",
    "model",
    "model_grains",
    "plan",
):
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
    logging.captureWarnings(True)
    for library in ("pyFAI", "fabio", "silx", "py.warnings"):  # their words for a person are ours to choose
        logging.getLogger(library).addHandler(logging.NullHandler())
    try:
        code = app(prog_name="operando", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        code = _failed(error)
    if code == 130:
        _tell_stopped()
    sys.exit(code if isinstance(code, int) else 0)


def _failed(error: Exception) -> int:
    """Tell what went wrong, in our words; the exit code. With --verbose what nobody expected is raised."""
    if isinstance(error, OperandoError):
        _tell(error)
        return error.exit_code
    if hasattr(
        error, "format_message"
    ):  # what the command line cannot mean, as the library of commands found it
        return _wrong_usage(error)
    if "-v" in sys.argv or "--verbose" in sys.argv:
        raise error
    if isinstance(error, OSError):
        fix = "Check that the place exists, has room, and is yours to write."
        _tell(OperandoError(error.strerror or str(error), where=str(error.filename or ""), fix=fix))
    elif isinstance(error, MemoryError):
        _tell(
            OperandoError(
                "not enough memory", fix="Close other programs, or ask for fewer bins, points or rings."
            )
        )
    else:
        logging.getLogger("operando").debug("unexpected", exc_info=True)
        what = f"unexpected {type(error).__name__}: {error}"
        _tell(
            OperandoError(
                what, fix="This is a defect of operando. Run again with -v and report what it prints."
            )
        )
    return 1


def _wrong_usage(error: Any) -> int:
    """A command, option or value that does not exist, and where to read of those that do."""
    command = error.ctx.command_path if getattr(error, "ctx", None) is not None else "operando"
    what = error.format_message()
    if what.startswith("Usage:"):  # a command alone: its help is the answer
        print(what)
    else:
        _tell(OperandoError(what[:1].lower() + what[1:].rstrip("."), fix=f"See {command} --help."))
    return int(error.exit_code)
