"""The file of a finished stage: HDF5, sealed by a digest, so that damage is seen before anybody reads it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

from .arrays import read_dataset, write_dataset

KEY = "stage_key"
SEAL = 16
#: a stage may say in this attribute how it was made: engine, threads, speed
DETAIL = "stage_detail"


def write_stage(result: Any, key: str, path: Path) -> None:
    """Write a Dataset, or a dict of them by group, as one HDF5 file."""
    import h5py
    import hdf5plugin

    groups = result if isinstance(result, dict) else {"": result}
    with h5py.File(path, "w") as file:
        file.attrs.update({KEY: key, "groups": list(groups)})
        for name, dataset in groups.items():
            write_dataset(file.require_group(f"/{name}"), dataset, hdf5plugin.Bitshuffle(cname="lz4"))
    with open(path, "r+b") as raw:
        seal = _seal(raw)
        raw.seek(0, os.SEEK_END)
        raw.write(seal)


def _seal(raw: BinaryIO, size: int | None = None) -> bytes:
    """Digest of the first `size` bytes, of all that there are without it."""
    state, left = hashlib.blake2b(digest_size=SEAL), size
    while piece := raw.read(1 << 20 if left is None else min(left, 1 << 20)):
        state.update(piece)
        left = None if left is None else left - len(piece)
    return state.digest()


def is_whole(path: Path) -> bool:
    """Whether a stage is there as it was written: its last bytes are the digest of all before them.

    HDF5 reads over the digest, but it may crash on a file with wrong bytes in it: so this is looked at first.
    """
    try:
        with open(path, "rb") as raw:
            size = os.fstat(raw.fileno()).st_size - SEAL
            return size > 0 and _seal(raw, size) == raw.read(SEAL)
    except FileNotFoundError:
        return False


def arrived(path: Path, patience_s: float = 40.0) -> bool:
    """Whether a file that another machine made is seen here; network file systems may need half a minute."""
    until = time.monotonic() + patience_s
    while not path.exists():
        os.listdir(path.parent)  # makes the file system look again
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def told_of(path: Path) -> str:
    """What a finished stage says of how it was made."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        return str(json.loads(file.attrs.get("attributes", "{}")).get(DETAIL, ""))


def read_stage(path: Path) -> Any:
    """Read a finished stage into memory, in the form that it was written in."""
    import h5py
    import hdf5plugin  # noqa: F401 (registers the filter)

    with h5py.File(path, "r", locking=False) as file:
        key, names = file.attrs[KEY], list(file.attrs["groups"])
        found = {name: read_dataset(file[f"/{name}"]).assign_attrs({KEY: f"{key}{name}"}) for name in names}
    return found[""] if names == [""] else found
