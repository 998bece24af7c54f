"""Where results grow: in memory, or in files that survive a kill. One span of frames is finished or it is not.

A folder holds one subfolder for each digest of settings and frames, so that results of other settings are never
mixed in. In it, `<name>.signal.npy` (and `.variance.npy`) have room for all frames, and `done/<start>-<stop>.npz`
marks a finished span and keeps what is small. A span is written first and marked last, under a temporary name.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from ..core import Sums, merge
from ..core.errors import OperandoError
from .engine_raw import Part

Span = tuple[int, int]
_TOP = np.iinfo(np.int32).max


@dataclass
class Finished:
    """What one span leaves behind besides its large arrays.

    index   (n,) int64 frame index
    lost    name -> frame position -> (bins,) int64 weight units of pixels dead in that frame only
    big     name -> (k, 3) int64: frame position, bin, value of sums that do not fit in 32 bits
    sums    everything that is not per frame and binned
    arrays  file key -> (n, bins), when they are not in files
    """

    span: Span
    index: np.ndarray
    lost: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    big: dict[str, np.ndarray] = field(default_factory=dict)
    sums: dict[str, Sums] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def joined(self, later: Finished) -> Finished:
        """This and the next frames of the same span."""
        lost = {n: self.lost.get(n, {}) | later.lost.get(n, {}) for n in {*self.lost, *later.lost}}
        rows = np.empty((0, 3), np.int64)
        big = {
            n: np.concatenate([self.big.get(n, rows), later.big.get(n, rows)])
            for n in {*self.big, *later.big}
        }
        sums = {n: merge([self.sums[n], later.sums[n]]) for n in self.sums}
        return Finished(self.span, np.concatenate([self.index, later.index]), lost, big, sums)


@dataclass(frozen=True)
class Column:
    """One large array of the result: (frames, bins)."""

    key: str
    bins: int
    dtype: np.dtype

    def nbytes(self, frames: int) -> int:
        return frames * self.bins * self.dtype.itemsize


def narrow(name: str, part: Part, position: int, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """The signal as its column holds it, and (k, 3) sums that do not fit there."""
    signal = part.signal
    if column.dtype.kind == "f" or signal.dtype == column.dtype:
        return signal.astype(column.dtype, copy=False), np.empty((0, 3), np.int64)
    frame, bins = np.nonzero(signal > _TOP)
    big = np.stack([frame + position, bins, signal[frame, bins]], axis=1).astype(np.int64)
    return np.minimum(signal, _TOP).astype(column.dtype), big


class Memory:
    """Arrays of one span, or of the whole result."""

    def __init__(self, columns: dict[str, Column], span: Span) -> None:
        self.first, self.frames = span[0], span[1] - span[0]
        self.arrays = {key: np.empty((span[1] - span[0], c.bins), c.dtype) for key, c in columns.items()}

    def write(self, key: str, position: int, values: np.ndarray) -> None:
        self.arrays[key][position - self.first : position - self.first + len(values)] = values

    def array(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def create(self, key: str, column: Column) -> np.ndarray:
        return np.empty((self.frames, column.bins), column.dtype)


@dataclass(frozen=True)
class Folder:
    """Arrays in files; picklable, so that other processes write their own spans."""

    path: Path
    columns: dict[str, Column]
    frames: int

    def prepare(self, about: dict) -> None:
        """Make the files, or find them as they were left. Raises `OperandoError` where nothing can be written."""
        with told(self.path):
            (self.path / "done").mkdir(parents=True, exist_ok=True)
            for key, column in self.columns.items():
                if not self._file(key).exists():
                    part = self._file(key).with_suffix(".tmp")
                    array = np.lib.format.open_memmap(part, "w+", column.dtype, (self.frames, column.bins))
                    del array
                    os.replace(part, self._file(key))
            (self.path / "settings.json").write_text(json.dumps(about, indent=1, default=str))

    def _file(self, key: str) -> Path:
        return self.path / f"{key}.npy"

    def _mark(self, span: Span) -> Path:
        return self.path / "done" / f"{span[0]:08d}-{span[1]:08d}.npz"

    def finished(self, span: Span) -> bool:
        return self._mark(span).exists()

    def write(self, key: str, position: int, values: np.ndarray) -> None:
        column = self.columns[key]
        with told(self.path), open(self._file(key), "r+b") as file:
            header = os.fstat(file.fileno()).st_size - column.nbytes(self.frames)
            file.seek(header + column.nbytes(position))
            file.write(np.ascontiguousarray(values, column.dtype).data)

    def mark(self, done: Finished) -> None:
        """Say that a span is complete: the small things, under a temporary name, then renamed."""
        part = self._mark(done.span).with_suffix(f".{os.getpid()}.tmp")
        with told(self.path):
            with open(part, "wb") as file:
                np.savez(file, **_pack(done))  # type: ignore[arg-type]
            os.replace(part, self._mark(done.span))

    def load(self, span: Span) -> Finished:
        with np.load(self._mark(span)) as stored:
            return _unpack(span, stored)

    def create(self, key: str, column: Column) -> np.ndarray:
        """A new memory-mapped array beside the others."""
        with told(self.path):
            return np.lib.format.open_memmap(self._file(key), "w+", column.dtype, (self.frames, column.bins))

    def array(self, key: str) -> np.ndarray:
        return np.load(self._file(key), mmap_mode="r")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn failures to write into one clear error; finished spans stay usable."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise OperandoError(
            "the disk is full" if full else f"cannot be written: {error.strerror or error}", where=str(path),
            fix="Make room, or give another checkpoint folder, and run again: what was finished is kept and not redone."
            if full else "Check that the folder exists and is yours.",
        ) from error  # fmt: skip


def _pack(done: Finished) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {"index": done.index}
    for name, frames in done.lost.items():
        if frames:
            out[f"lost|{name}|frames"] = np.array(list(frames), np.int64)
            out[f"lost|{name}|units"] = np.array(list(frames.values()), np.int64)
    out.update({f"big|{name}": rows for name, rows in done.big.items()})
    meta: dict = {}
    for name, sums in done.sums.items():
        for role in ("signal", "variance", "weight"):
            array = getattr(sums, role)
            meta.setdefault(name, {})[role] = {**array.to_dict(data=False), "name": None}
            out[f"sums|{name}|{role}"] = array.values
            out.update({f"sums|{name}|{role}|{c}": v.values for c, v in array.coords.items()})
    return {**out, "meta": np.array(json.dumps(meta, default=str))}


def _unpack(span: Span, stored) -> Finished:
    done = Finished(span, stored["index"])
    for key in stored.files:
        kind, _, name = key.partition("|")
        if kind == "big":
            done.big[name] = stored[key]
        elif kind == "lost" and name.endswith("|frames"):
            name = name.removesuffix("|frames")
            done.lost[name] = dict(zip(stored[key].tolist(), stored[f"lost|{name}|units"], strict=True))
    for name, roles in json.loads(str(stored["meta"])).items():
        done.sums[name] = Sums(
            *(_array(stored, f"sums|{name}|{role}", about) for role, about in roles.items())
        )
    return done


def _array(stored, key: str, about: dict) -> xr.DataArray:
    coords = {
        name: xr.Variable(coord["dims"], stored[f"{key}|{name}"], coord["attrs"])
        for name, coord in about["coords"].items()
    }
    return xr.DataArray(stored[key], coords, about["dims"], attrs=about["attrs"])
