"""State of a run in one file: written under another name and then renamed, and read back only for the same settings."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from operando.core.errors import NUMPY_DAMAGE, InputError

from ._boxes import Fields
from ._engines import Coefficients, Dense, Sparse
from .film import FilmModel, Growth
from .seeds import Seeds

FORMAT = 1
_ARRAYS = ("boxes", "start", "first", "pool", "core", "wrote", "s", "k", "alive")


def signature(model: FilmModel, growth: Growth, seeds: Seeds, times: np.ndarray, engine: str) -> str:
    """Digest of everything that decides the result."""
    text = json.dumps(
        [FORMAT, engine, asdict(model), asdict(growth), list(seeds.orientation)], sort_keys=True
    )
    digest = hashlib.sha256(text.encode())
    digest.update(np.ascontiguousarray(seeds.labels, np.int64).tobytes() + str(seeds.labels.shape).encode())
    digest.update(np.ascontiguousarray(times, np.int64).tobytes())
    return digest.hexdigest()


def save(path: str | Path, mark: str, state: Sparse | Dense, done: int, records: list) -> None:
    """Write state, step number and frames so far."""
    arrays: dict[str, np.ndarray] = {
        "mark": np.array(mark), "done": np.array(done), "labels": np.stack([r[0] for r in records]),
        "layers": np.array([r[1] for r in records]), "energy": np.array([r[2] for r in records]),
        "active": np.array(state.active),
    }  # fmt: skip
    if isinstance(state, Sparse):
        f = state.fields
        arrays |= {name: getattr(f, name) for name in _ARRAYS}
        arrays |= {"now": np.array(f.now), "peak": np.array(f.peak_bytes), "repacks": np.array(state.repacks)}
    else:
        arrays |= {"eta": state.eta, "s": state.s, "k": state.k, "now": np.array(state.now)}
    path = Path(path)
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    os.replace(part, path)


def load(
    path: str | Path, mark: str, c: Coefficients, growth: Growth
) -> tuple[Sparse | Dense, int, list] | None:
    """State, step number and frames of a checkpoint, None where there is no file.

    Raises `InputError` for a file of other settings, or one that is not a checkpoint.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            a = {name: file[name] for name in file.files}
        same = str(a["mark"]) == mark
    except NUMPY_DAMAGE as error:
        raise InputError(
            f"not a checkpoint of a film ({error})", where=str(path), fix="Remove it."
        ) from error
    if not same:
        raise InputError(
            "the checkpoint belongs to other settings or seeds",
            where=str(path),
            fix="Remove it, or name another file.",
        )
    records = list(
        zip(a["labels"], (int(n) for n in a["layers"]), (float(e) for e in a["energy"]), strict=True)
    )
    state: Sparse | Dense
    if "eta" in a:
        state = Dense(a["eta"], a["s"], a["k"], c, growth.cells, int(a["active"]), int(a["now"]))
    else:
        known = {f.name for f in fields(Fields)}
        held = Fields(
            shape=growth.cells, active=int(a["active"]), now=int(a["now"]), peak_bytes=int(a["peak"]),
            **{name: a[name] for name in _ARRAYS if name in known},
        )  # fmt: skip
        state = Sparse(held, c, growth.cutoff, 12 if growth.cells[1] == 1 else 5, int(a["repacks"]))
    return state, int(a["done"]), records
