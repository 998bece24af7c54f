"""HDF5 files opened read-only and never locked, with links followed by hand so that a missing file has a name."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..core.errors import ReadError
from ..core.hdf5_heap import check_heaps

if TYPE_CHECKING:
    import h5py

MAX_LINKS = 32
SUFFIXES = (".h5", ".hdf5", ".hdf", ".nxs", ".nx5", ".nexus", ".cxi")


def natural(text: object) -> list:
    """Sort key under which `map_2` comes before `map_10` and scan `2.1` before `10.1`."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(text))]


def open_hdf5(path: str | Path) -> h5py.File:
    """Open an HDF5 file for reading, without a lock; in SWMR mode where its writer is at work in that mode.

    Raises `ReadError` for a missing, truncated, foreign, locked or unreadable file.
    """
    import h5py
    import hdf5plugin  # noqa: F401  registers the compression filters

    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        if "already open for" not in str(error):
            raise _explained(Path(path), error) from error
    else:
        try:
            check_heaps(path)
        except ReadError:
            file.close()
            raise
        return file
    try:
        return h5py.File(path, "r", locking=False, swmr=True, libver="latest")
    except OSError as error:
        raise _explained(Path(path), error) from error


def _explained(path: Path, error: OSError) -> ReadError:
    """Say in words what HDF5 means."""
    text, where = str(error), str(path)
    if not path.exists():
        return ReadError(
            "no such file", where=where, fix="Check the path; relative paths start at the current folder."
        )
    if path.is_dir():
        return ReadError("a folder, not an HDF5 file", where=where, fix="Give a file in it, or a glob.")
    if error.errno in (errno.EACCES, errno.EPERM) or not os.access(path, os.R_OK):
        return ReadError("permission denied", where=where, fix="Ask for read access to this file.")
    if "truncated file" in text:
        sizes = re.search(r"eof = (\d+).*stored_eof = (\d+)", text)
        held = f": {int(sizes[1]):,} of {int(sizes[2]):,} bytes are there" if sizes else ""
        return ReadError(
            f"truncated HDF5 file{held}", where=where,
            fix="The copy or the writing stopped half-way: copy the file again, or leave it out.",
        )  # fmt: skip
    if "already open for" in text or "not already open for SWMR" in text:
        return ReadError(
            "still being written, not in SWMR mode (or its writer was killed)", where=where,
            fix="Wait until the writer has closed it; if there is no writer any more: h5clear -s FILE on a copy.",
        )  # fmt: skip
    if "signature" in text:
        empty = path.stat().st_size == 0
        return ReadError(
            "an empty file" if empty else "not an HDF5 file", where=where, fix="Check what wrote it."
        )
    return ReadError(
        f"cannot be opened as HDF5 ({text})", where=where, fix="Copy the file again, or leave it out."
    )


def attribute(item: h5py.Group | h5py.Dataset, name: str, default: Any = None) -> Any:
    """An attribute, `default` where there is none. Lists of variable length are none: damage ends the process."""
    import h5py

    if name not in item.attrs:
        return default
    held = h5py.h5a.open(item.id, name.encode())
    return default if isinstance(held.get_type(), h5py.h5t.TypeVlenID) else item.attrs[name]


@contextmanager
def damage_told(path: str | Path) -> Iterator[None]:
    """Turn what h5py raises for wrong bytes in a file into a `ReadError`."""
    import h5py

    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, OSError) and error.filename:  # the file itself cannot be had
            raise
        if h5py.__name__ not in _raised_in(error):
            raise
        words = str(error.args[0] if error.args else error)
        raise ReadError(
            f"damaged HDF5 file ({words})", where=str(path), fix="Copy the file again, or leave it out."
        ) from error


def _raised_in(error: BaseException) -> set[str]:
    """Names of the packages that an error passed through."""
    found, trace = set(), error.__traceback__
    while trace is not None:
        found.add(str(trace.tb_frame.f_globals.get("__name__", "")).split(".")[0])
        trace = trace.tb_next
    return found


class Files:
    """HDF5 files held open for the length of one `with` block, each opened once."""

    def __init__(self) -> None:
        self._open: dict[str, h5py.File] = {}

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()

    def file(self, path: str | Path) -> h5py.File:
        """The file, opened read-only and unlocked, once."""
        key = os.path.abspath(path)
        if key not in self._open:
            self._open[key] = open_hdf5(path)
        return self._open[key]

    def find(self, path: str | Path, name: str) -> h5py.Dataset | h5py.Group:
        """The object `name` of file `path`, wherever soft and external links lead.

        `.file.filename` and `.name` of the result tell where it truly lives. Raises `ReadError` naming the linked
        file that is missing, or the names that there are instead of `name`.
        """
        start = f"{path}::{name}"
        for _ in range(MAX_LINKS):
            hop = self._walk(path, name, start)
            if not isinstance(hop, tuple):
                return hop
            path, name = hop
        raise ReadError("links lead in a circle", where=start, fix="The file was put together wrongly.")

    def _walk(self, path, name: str, start: str):
        """Follow `name` to its object, or to the first link on the way: then (file, name) to go on with."""
        import h5py

        file = self.file(path)
        here, parts = file["/"], [p for p in PurePosixPath(name).parts if p != "/"]
        for i, part in enumerate(parts):
            link = here.get(part, getlink=True) if isinstance(here, h5py.Group) and part in here else None
            rest = "/".join(parts[i + 1 :])
            if isinstance(link, h5py.ExternalLink):
                target = linked_file(path, link.filename)
                if target is None:
                    raise missing_link(path, f"{here.name.rstrip('/')}/{part}", link.filename)
                return target, f"{link.path.rstrip('/')}/{rest}" if rest else link.path
            if isinstance(link, h5py.SoftLink):
                target_name = os.path.normpath(
                    f"{here.name}/{link.path}" if link.path[0] != "/" else link.path
                )
                return path, f"{target_name}/{rest}" if rest else target_name
            if link is None:
                raise self._nothing_there(path, here, part, start)
            here = here[part]
        return here

    @staticmethod
    def _nothing_there(path, here, part: str, start: str) -> ReadError:
        import h5py

        names = sorted(here, key=natural) if isinstance(here, h5py.Group) else []
        there = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "nothing"
        linked = "" if start.startswith(f"{path}::") else f" (reached from {start})"
        return ReadError(
            f"no {part!r} in {here.name}{linked}", where=str(path), fix=f"There is: {there}."
        )  # fmt: skip


def linked_file(path: str | Path, name: str) -> Path | None:
    """Where the file `name` that `path` links to is: as named, beside `path`, or None.

    An absolute name that is gone is looked for beside `path` too, as HDF5 does: folders get copied.
    """
    folder = Path(path).absolute().parent
    real = Path(path).resolve().parent
    for place in (folder / name, real / name, folder / Path(name).name, real / Path(name).name):
        if place.exists():
            return place
    return None


def missing_link(path: str | Path, at: str, name: str) -> ReadError:
    """The error for a linked data file that is not there."""
    return ReadError(
        f"the linked data file {name} is missing (from {at})", where=str(path),
        fix=f"Copy it into {Path(path).absolute().parent} beside the master file.",
    )  # fmt: skip
