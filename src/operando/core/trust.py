"""Readers take a file at its word. What is raised when the word is wrong is told with the name of the file."""

from __future__ import annotations

import functools
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import OperandoError, ReadError

log = logging.getLogger(__name__)

#: of code that meets a word for a number, a table for an array, an index past the end, a size below zero
MISLED = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError, EOFError,
    StopIteration, struct.error, zlib.error,
)  # fmt: skip
LONGEST = 200


@contextmanager
def taken_at_its_word(path: object, what: str = "this file") -> Iterator[None]:
    """Turn what code raises on content that it did not foresee into a `ReadError` that names `path`.

    The last net under a reader: what it can check, it checks and says better. The cause is kept, and logged (-v).
    """
    try:
        yield
    except OperandoError:
        raise
    except MemoryError as error:
        raise ReadError(
            "says that it holds more than the memory of this machine", where=str(path),
            fix="If that is wrong, the file is damaged: copy it again. If it is right, use a larger machine.",
        ) from error  # fmt: skip
    except OSError as error:
        if error.filename or error.errno:  # the disk, not the content
            raise
        raise _misled(path, what, error) from error
    except MISLED as error:
        raise _misled(path, what, error) from error


def _misled(path: object, what: str, error: BaseException) -> ReadError:
    log.info("%s", path, exc_info=True)
    words = " ".join(str(error).split())
    words = words if len(words) <= LONGEST else f"{words[:LONGEST]} ..."
    return ReadError(
        f"{what} is damaged, or not as its kind should be ({type(error).__name__}: {words})", where=str(path),
        fix="Copy or export it again. If it is whole, this is a layout that operando does not know: please report it.",
    )  # fmt: skip


def reads(what: str) -> Callable:
    """For functions that read the one file named by their first argument: `taken_at_its_word` around all they do."""

    def around(function: Callable) -> Callable:
        @functools.wraps(function)
        def guarded(path: Any, *args: Any, **named: Any) -> Any:
            place = path if isinstance(path, (str, os.PathLike)) else "several files"
            with taken_at_its_word(Path(place) if place is path else place, what):
                return function(path, *args, **named)

        return guarded

    return around
