"""Sparse storage of the order parameters: one box a grain, in one pool, made anew when a grain outgrows its box."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ._kernels import EMPTY_HI, EMPTY_LO, empty_rows

Box = tuple[int, int, int, int, int, int]  # z0, nz, y0, ny, x0, nx; y0 and x0 unwrapped


@dataclass
class Fields:
    """Order parameters of all grains in their boxes (see `_kernels`); `now` is the buffer that holds the state."""

    shape: tuple[int, int, int]
    active: int
    boxes: np.ndarray  # (grains, 6) int64
    start: np.ndarray
    first: np.ndarray
    pool: np.ndarray  # (2, values)
    core: np.ndarray  # (2, 2, rows): lo and hi, by buffer
    wrote: np.ndarray
    s: np.ndarray  # (2, cells)
    k: np.ndarray
    alive: np.ndarray
    now: int = 0
    peak_bytes: int = field(default=0)

    @property
    def pad(self) -> int:
        return 1 if self.shape[1] > 1 else 0

    def living(self) -> list[int]:
        """Grains that are left."""
        return [int(q) for q in np.flatnonzero(self.alive)]

    def nbytes(self) -> int:
        return sum(a.nbytes for a in (self.pool, self.core, self.wrote, self.s, self.k))

    def _padded(self, q: int) -> np.ndarray:
        _, bz, _, by, _, bx = self.boxes[q]
        size = (bz + 2) * (by + 2 * self.pad) * (bx + 2)
        flat = self.pool[self.now, self.start[q] : self.start[q] + size]
        return flat.reshape(bz + 2, by + 2 * self.pad, bx + 2)

    def values(self, q: int) -> np.ndarray:
        """Order parameter of grain q in its box, (nz, ny, nx), a view."""
        p = self.pad
        return self._padded(q)[1:-1, p : self._padded(q).shape[1] - p, 1:-1]

    def index(self, q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells of the domain that the box covers, for `np.ix_`."""
        z0, bz, y0, by, x0, bx = self.boxes[q]
        _, ny, nx = self.shape
        return np.arange(z0, z0 + bz), np.arange(y0, y0 + by) % ny, np.arange(x0, x0 + bx) % nx

    def dense(self) -> np.ndarray:
        """All grains in the whole domain, (grains, z, y, x): for small cases and checks."""
        out = np.zeros((len(self.boxes), *self.shape))
        for q in self.living():
            out[q][np.ix_(*self.index(q))] = self.values(q)
        return out


def pack(
    parts: list[tuple[Box, np.ndarray] | None],
    shape: tuple[int, int, int],
    active: int,
    kappas: np.ndarray,
    cutoff: float,
    *,
    mean: bool,
) -> Fields:
    """Fields from a box and its values for every grain (None: the grain is gone)."""
    pad = 1 if shape[1] > 1 else 0
    boxes = np.array([p[0] if p else (0, 0, 0, 0, 0, 0) for p in parts], np.int64).reshape(-1, 6)
    rows = np.where(boxes[:, 1] > 0, (boxes[:, 1] + 2) * (boxes[:, 3] + 2 * pad), 0)
    sizes = rows * (boxes[:, 5] + 2)
    start = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(rows)[:-1]]).astype(np.int64)
    cells = int(np.prod(shape))
    fields = Fields(
        shape, active, boxes, start, first, np.zeros((2, int(sizes.sum()))), empty_rows(int(rows.sum())),
        empty_rows(int(rows.sum())), np.zeros((2, cells)), np.zeros((2, cells if mean else 1)),
        np.array([p is not None for p in parts]),
    )  # fmt: skip
    for q, part in enumerate(parts):
        if part is not None:
            fields.values(q)[...] = part[1]
            refresh(fields, q, cutoff)
    sums(fields, kappas, mean=mean)
    fields.peak_bytes = fields.nbytes()
    return fields


def refresh(fields: Fields, q: int, cutoff: float) -> None:
    """Row tables and periodic halos of grain q, from its values."""
    values = fields.values(q)
    bz, by, bx = values.shape
    per = by + 2 * fields.pad
    over = values >= cutoff
    some = over.any(axis=2)
    filled = (values != 0).any(axis=2)
    rows = fields.first[q] + (np.arange(bz)[:, None] + 1) * per + np.arange(by)[None, :] + fields.pad
    now = fields.now
    fields.core[0, now][rows] = np.where(some, over.argmax(axis=2), EMPTY_LO)
    fields.core[1, now][rows] = np.where(some, bx - over[:, :, ::-1].argmax(axis=2), EMPTY_HI)
    fields.wrote[0, now][rows] = np.where(filled, 0, EMPTY_LO)
    fields.wrote[1, now][rows] = np.where(filled, bx, EMPTY_HI)
    if bx == fields.shape[2]:
        padded = fields._padded(q)
        padded[:, :, 0], padded[:, :, -1] = padded[:, :, -2], padded[:, :, 1]


def sums(fields: Fields, kappas: np.ndarray, *, mean: bool) -> None:
    """S = sum of eta^2 (and of kappa eta^2) of the current state."""
    s = fields.s[fields.now].reshape(fields.shape)
    k = fields.k[fields.now].reshape(fields.shape) if mean else None
    s[...] = 0.0
    if k is not None:
        k[...] = 0.0
    for q in fields.living():
        square = fields.values(q) ** 2
        s[np.ix_(*fields.index(q))] += square
        if k is not None:
            k[np.ix_(*fields.index(q))] += kappas[q] * square


def _cyclic_window(used: np.ndarray, margin: int) -> tuple[int, int]:
    """First cell and length of the shortest window around the used cells of a ring, with a margin on both sides."""
    n = used.size
    cells = np.flatnonzero(used)
    gaps = np.diff(np.append(cells, cells[0] + n)) - 1
    widest = int(gaps.argmax())
    length = n - int(gaps[widest]) + 2 * margin
    if length >= n - 1:
        return 0, n
    return int(cells[(widest + 1) % cells.size]) - margin, length


def fit_box(used: tuple[np.ndarray, ...], shape: tuple[int, int, int], margin: int) -> Box:
    """Box around the cells in use: (z, y, x) masks of the domain's axes; y and x close into rings."""
    z = np.flatnonzero(used[0])
    z0, z1 = max(int(z[0]) - margin, 0), min(int(z[-1]) + 1 + margin, shape[0])
    y0, by = _cyclic_window(used[1], margin) if shape[1] > 1 else (0, 1)
    x0, bx = _cyclic_window(used[2], margin)
    return z0, z1 - z0, y0, by, x0, bx


def repack(fields: Fields, kappas: np.ndarray, cutoff: float, *, mean: bool, margin: int) -> Fields:
    """The same state in boxes that fit, with a margin to grow into."""
    parts: list[tuple[Box, np.ndarray] | None] = [None] * len(fields.boxes)
    for q in fields.living():
        values = fields.values(q)
        over = values >= cutoff
        if not over.any():
            continue
        index = fields.index(q)
        used = tuple(np.zeros(n, bool) for n in fields.shape)
        for axis in range(3):
            used[axis][index[axis][over.any(axis=tuple(a for a in range(3) if a != axis))]] = True
        box = fit_box(used, fields.shape, margin)
        parts[q] = (box, _moved(values, fields.boxes[q], box, fields.shape))
    new = pack(parts, fields.shape, fields.active, kappas, cutoff, mean=mean)
    new.peak_bytes = max(fields.peak_bytes, new.nbytes() + fields.nbytes())
    return new


def _moved(values: np.ndarray, old: np.ndarray, box: Box, shape: tuple[int, int, int]) -> np.ndarray:
    """Values of the old box where the new one lies, zero elsewhere."""
    take: list[np.ndarray] = []
    known: list[np.ndarray] = []
    for axis in range(3):
        at = np.arange(box[2 * axis], box[2 * axis] + box[2 * axis + 1]) - int(old[2 * axis])
        if axis:
            at = at % shape[axis]
        take.append(np.clip(at, 0, values.shape[axis] - 1))
        known.append((at >= 0) & (at < values.shape[axis]))
    out = values[np.ix_(*take)]
    out *= known[0][:, None, None] & known[1][None, :, None] & known[2][None, None, :]
    return out


SOLID = 0.2  # the largest order parameter of a cell that is a grain and not empty


def labels(fields: Fields) -> np.ndarray:
    """The grain with the largest order parameter in every cell, -1 where there is none, (z, y, x)."""
    best = np.full(fields.shape, SOLID)
    label = np.full(fields.shape, -1, np.int64)
    for q in fields.living():
        at = np.ix_(*fields.index(q))
        values = fields.values(q)
        more = values > best[at]
        best[at] = np.where(more, values, best[at])
        label[at] = np.where(more, q, label[at])
    label[fields.active :] = -1
    return label


def copy_layer(fields: Fields) -> None:
    """Give the first inactive layer the state of the topmost active one."""
    z, now = fields.active, fields.now
    for q in fields.living():
        z0, bz, _, by, _, _ = fields.boxes[q]
        j, per = z - z0, by + 2 * fields.pad
        if not 1 <= j < bz:
            continue
        padded = fields._padded(q)
        padded[j + 1] = padded[j]
        row = fields.first[q] + j * per
        for table in (fields.core, fields.wrote):
            table[:, now, row + per : row + 2 * per] = table[:, now, row : row + per]
    for sums_ in (fields.s, fields.k) if fields.k.shape[1] > 1 else (fields.s,):
        grid = sums_[now].reshape(fields.shape)
        grid[z] = grid[z - 1]
