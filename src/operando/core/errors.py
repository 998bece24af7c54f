"""One kind of error for everything a user can mend: what, where, what to do."""

from __future__ import annotations

import zlib
from tokenize import TokenError
from zipfile import BadZipFile

#: what `numpy.load` raises for damaged .npy and .npz files, a missing array or a header of other types
NUMPY_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    SyntaxError,
    BadZipFile,
    TokenError,
    zlib.error,
    NotImplementedError,  # a zip of another kind of compression
)


class OperandoError(Exception):
    """A failure told as one sentence what, one where, one what to do.

    `what` names the fact, `where` the file, dataset, frame or key, `fix` the next step for the user.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what, where, fix)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n{self.fix}" if self.fix else head

    def __reduce__(self):  # keyword-only arguments need help to cross process borders
        return _rebuild, (type(self), self.what, self.where, self.fix)


def _rebuild(kind: type[OperandoError], what: str, where: str, fix: str) -> OperandoError:
    return kind(what, where=where, fix=fix)


class InputError(OperandoError):
    """The user's input is wrong or incomplete (exit code 2)."""

    exit_code = 2


class ReadError(InputError):
    """A raw file cannot be read as what it should be."""


class MaskMissing(InputError):
    """No mask was found and the user did not write `none`."""


class GeometryError(InputError):
    """Geometry, detector and image do not belong together."""


class GridError(InputError):
    """Frames and scan grid do not fit each other."""


class ExperimentError(InputError):
    """The experiment file says something that cannot be done."""


class Busy(OperandoError):
    """Another process holds the run folder."""


class ExtraMissing(OperandoError):
    """An optional dependency is needed; the message names the command that installs it."""


def require_extra(module: str, extra: str, purpose: str):
    """Import `module`, or say in one sentence which extra brings it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExtraMissing(
            f"{purpose} needs the package {module}", fix=f'Install it with: pip install "operando[{extra}]"'
        ) from error
