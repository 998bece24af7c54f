"""Ways to spoil an HDF5 file by its own library: missing, of another shape or kind, absurd, or damaged inside."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from spoil_bytes import spoil_bytes

ATTRIBUTES = (0, -1, 1e308, np.nan, "", "abc", "é漢", b"\xff\xfe", "mm", "keV", "eV", "deg", "um", [1, 2, 3],
              [], [np.nan], np.zeros((2, 2)), True, "x" * 2000)  # fmt: skip


def _names(file: h5py.File, kind=None) -> list[str]:
    found: list[str] = []

    def visit(name: str, item: object) -> None:
        if kind is None or isinstance(item, kind):
            found.append(name)

    file.visititems(visit)
    return found


def _replace(file: h5py.File, name: str, value) -> None:
    attributes = dict(file[name].attrs)
    del file[name]
    file[name] = value
    for key, item in attributes.items():
        file[name].attrs[key] = item


def remove(file, name, rng) -> str:
    del file[name]
    return "gone"


def rank(file, name, rng) -> str:
    value = np.asarray(file[name][()])
    ways = (lambda v: v[None], lambda v: v.ravel(), lambda v: v[..., None], lambda v: v[:0] if v.ndim else v,
            lambda v: v[:1] if v.ndim else v, lambda v: v[0] if v.ndim and len(v) else v, lambda v: v.T,
            lambda v: v[:-1] if v.ndim else v, lambda v: np.concatenate([v, v]) if v.ndim else v)  # fmt: skip
    which = int(rng.integers(len(ways)))
    changed = np.asarray(ways[which](value))
    if changed.dtype.kind == "O":
        changed = changed.astype(h5py.string_dtype())
    _replace(file, name, changed)
    return f"shape {value.shape} to {changed.shape}"


def kind(file, name, rng) -> str:
    value = file[name][()]
    options = (
        "a word", b"\xff\xfe", np.bytes_(b"abc"), 0, -1, np.nan, 1e308, 10**18, True, np.float32(3), h5py.Empty("f4"),
        np.arange(3), np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), np.complex128(1 + 2j), ["a", "b"],
        np.zeros((0, 3)),
    )  # fmt: skip
    chosen = options[int(rng.integers(len(options)))]
    if rng.random() < 0.4 and isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        chosen = value.astype(
            str(rng.choice(["f4", "f2", "i8", "u1", "i2", "c8", "f8", "S8", ">u4", "bool"]))
        )
    _replace(file, name, chosen)
    return f"kind {getattr(chosen, 'dtype', type(chosen).__name__)}"


def values(file, name, rng) -> str:
    data = file[name]
    if data.dtype.kind not in "iuf" or data.size == 0 or data.ndim == 0:
        return kind(file, name, rng)
    value = data[()]
    flat = value.reshape(-1)
    spot = slice(None) if rng.random() < 0.3 else rng.integers(0, flat.size, int(rng.choice([1, 3, 50])))
    if value.dtype.kind == "f":
        pool = [np.nan, np.inf, -np.inf, 0, -1, 1e308, 1e-300]
    else:
        info = np.iinfo(value.dtype)
        pool = [0, info.max, info.min, 1, info.max // 2]
    with np.errstate(over="ignore"):
        flat[spot] = np.asarray(pool[int(rng.integers(len(pool)))]).astype(value.dtype)
    if rng.random() < 0.2:
        flat = rng.permutation(flat)
    _replace(file, name, flat.reshape(value.shape))
    return "values"


def absurd(file, name, rng) -> str:
    """A size that nobody can hold, without a byte behind it."""
    data = file[name]
    dtype = data.dtype if data.dtype.kind in "iuf" else np.dtype("f4")
    ndim = max(data.ndim, 1)
    side = int(10 ** (12 / ndim))
    shape = list(data.shape or (1,))
    shape[int(rng.integers(ndim))] = 10**12
    if rng.random() < 0.5:
        shape = [side] * ndim
    del file[name]
    file.create_dataset(name, shape=tuple(shape), dtype=dtype, chunks=tuple(min(s, 16) or 1 for s in shape))
    return f"claims {shape}"


def chunk(file, name, rng) -> str:
    """Bits of a stored chunk, as a bad disk or network would have them, or a chunk that is too short."""
    data = file[name]
    if data.chunks is None or data.id.get_num_chunks() == 0:
        return values(file, name, rng)
    place = data.id.get_chunk_info(int(rng.integers(data.id.get_num_chunks())))
    mask, raw = data.id.read_direct_chunk(place.chunk_offset)
    raw = bytearray(raw)
    what = int(rng.integers(5))
    if what == 0:
        raw = raw[: int(rng.integers(len(raw)))]
    elif what == 1:
        raw = raw + rng.bytes(100)
    elif what == 2:
        at = int(rng.integers(0, min(len(raw), 16)))
        raw[at] = int(rng.integers(256))
    elif what == 3:
        mask = 1
    else:
        for at in rng.integers(0, len(raw), int(rng.choice([1, 5, 100]))):
            raw[at] ^= 1 << int(rng.integers(8))
    data.id.write_direct_chunk(place.chunk_offset, bytes(raw), mask)
    return f"chunk {place.chunk_offset}: {('cut', 'longer', 'head', 'said to be plain', 'bits')[what]}"


def attribute(file, name, rng) -> str:
    item = file[name]
    keys = [*item.attrs, "units", "NX_class", "signal", "axes"]
    key = str(rng.choice(keys))
    if key in item.attrs and rng.random() < 0.35:
        del item.attrs[key]
        return f"attribute {key} gone"
    item.attrs[key] = ATTRIBUTES[int(rng.integers(len(ATTRIBUTES)))]
    return f"attribute {key} = {item.attrs[key]!r:.40}"


def link(file, name, rng) -> str:
    what = int(rng.integers(6))
    del file[name]
    if what == 0:
        file[name] = h5py.SoftLink(f"/{name}")
    elif what == 1:
        file[name] = h5py.SoftLink("/nowhere")
    elif what == 2:
        file[name] = h5py.ExternalLink("none.h5", "/a")
    elif what == 3:
        file[name] = h5py.ExternalLink("/etc/passwd", "/a")
    elif what == 4:
        file.create_group(name)
    else:
        file[name] = h5py.ExternalLink(Path(file.filename).name, f"/{name}")
    told = (
        "links to itself",
        "links to nothing",
        "links to no file",
        "links to a text",
        "a group",
        "in a circle",
    )
    return told[what]


def rename(file, name, rng) -> str:
    file.move(name, f"{name}_x")
    return "renamed"


DATASETS = (
    remove,
    rank,
    rank,
    kind,
    kind,
    values,
    values,
    absurd,
    chunk,
    chunk,
    chunk,
    attribute,
    link,
    rename,
)


def spoil_hdf5(path: Path, rng: np.random.Generator) -> str:
    """One object, sometimes three; one time in five the bytes of the file."""
    if rng.random() < 0.2:
        return spoil_bytes(path, rng)
    told = []
    with h5py.File(path, "r+") as file:
        for _ in range(int(rng.choice([1, 1, 1, 3]))):
            told.append(_spoil_one(file, rng))
    return "; ".join(told)


def _spoil_one(file: h5py.File, rng) -> str:
    if rng.random() < 0.12:
        groups = _names(file, h5py.Group)
        name = str(rng.choice(groups)) if groups else "/"
        way = (remove, attribute, rename, link)[int(rng.integers(4))] if groups else attribute
    else:
        datasets = _names(file, h5py.Dataset)
        if not datasets:
            return "nothing left"
        name, way = str(rng.choice(datasets)), DATASETS[int(rng.integers(len(DATASETS)))]
    try:
        return f"{name}: {way(file, name, rng)}"
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        OverflowError,
        MemoryError,
    ) as error:  # h5py could not do that
        return f"{name}: {way.__name__} not possible ({type(error).__name__})"
