"""Two ways to step the same equation: every grain in its box (`Sparse`), or in every cell (`Dense`, the check)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import _boxes, _kernels
from .film import FilmModel, Growth
from .seeds import Seeds


@dataclass
class Coefficients:
    """Per-grain coefficients in units of the grid: kappa / dx^2, L dt, 6 U."""

    kappas: np.ndarray
    rates: np.ndarray
    drives: np.ndarray
    gamma: float
    mean: bool

    @classmethod
    def of(cls, model: FilmModel, growth: Growth, seeds: Seeds, step_s: float) -> Coefficients:
        q = np.array([model.index(name) for name in seeds.orientation], int)
        return cls(
            np.array(model.gradient_um2)[q] / growth.spacing_um**2, np.array(model.mobility_per_s)[q] * step_s,
            6 * np.array(model.drive)[q], model.gamma, model.mixed == "mean",
        )  # fmt: skip


def _local_energy(eta: np.ndarray, c: Coefficients, q: int) -> float:
    e2 = eta * eta
    return float((e2 * e2 * (0.25 - c.gamma / 2) - e2 / 2 + c.drives[q] / 6 * e2 * (3 - 2 * eta)).sum())


def _gradient_energy(padded: np.ndarray, c: Coefficients, q: int) -> float:
    """Forward differences of a padded (z, y + halo, x + halo) array whose last y and x belong to the halo."""
    inner = padded[:, : padded.shape[1] - 1 or None, 1:-1]
    total = ((padded[:, : inner.shape[1], 2:] - inner) ** 2).sum() + (np.diff(inner, axis=0) ** 2).sum()
    if padded.shape[1] > 1:
        total += ((padded[:, 1:, 1:-1] - inner) ** 2).sum()
    return float(0.5 * c.kappas[q] * total)


@dataclass
class Sparse:
    """State in boxes; `margin` cells around each grain before a box must be made anew."""

    fields: _boxes.Fields
    coefficients: Coefficients
    cutoff: float
    margin: int
    repacks: int = field(default=0)

    @classmethod
    def start(cls, c: Coefficients, growth: Growth, seeds: Seeds, layers: int) -> Sparse:
        shape = growth.cells
        margin = 12 if shape[1] == 1 else 5
        parts: list = []
        first = seeds.labels[:layers]
        for q in range(len(seeds.orientation)):
            inside = first == q
            if not inside.any():
                parts.append(None)
                continue
            used = (np.zeros(shape[0], bool), inside.any(axis=(0, 2)), inside.any(axis=(0, 1)))
            used[0][: len(first)] = inside.any(axis=(1, 2))
            z0, bz, y0, by, x0, bx = box = _boxes.fit_box(used, shape, margin)
            padded = np.zeros((bz, by, bx))
            cut = first[z0 : z0 + bz][:, np.arange(y0, y0 + by) % shape[1]][
                :, :, np.arange(x0, x0 + bx) % shape[2]
            ]
            padded[: len(cut)] = cut == q
            parts.append((box, padded))
        fields = _boxes.pack(parts, shape, layers, c.kappas, growth.cutoff, mean=c.mean)
        return cls(fields, c, growth.cutoff, margin)

    @property
    def active(self) -> int:
        return self.fields.active

    def advance(self, steps: int) -> None:
        c = self.coefficients
        while steps > 0:
            f = self.fields
            done, f.now, grow = _kernels.step_boxes(
                f.pool, f.start, f.first, f.boxes, f.alive, f.core[0], f.core[1], f.wrote[0], f.wrote[1],
                f.s, f.k, f.now, steps, f.shape, f.active, c.gamma, c.kappas, c.rates, c.drives, self.cutoff, c.mean,
            )  # fmt: skip
            steps -= done
            if grow:
                self.repack()

    def repack(self) -> None:
        c = self.coefficients
        self.fields = _boxes.repack(self.fields, c.kappas, self.cutoff, mean=c.mean, margin=self.margin)
        self.repacks += 1

    def deposit(self, copy: bool) -> None:
        """Activate the next layer, as a copy of the one below or empty."""
        top = self.fields.boxes[:, 0] + self.fields.boxes[:, 1]
        if (self.fields.alive & (top <= self.fields.active)).any():
            self.repack()
        if copy:
            _boxes.copy_layer(self.fields)
        self.fields.active += 1

    def labels(self) -> np.ndarray:
        return _boxes.labels(self.fields)

    def energy(self) -> float:
        """Free energy in units of m dx^d."""
        f, c = self.fields, self.coefficients
        cells = f.s[f.now][: f.active * f.shape[1] * f.shape[2]]
        total = float((c.gamma / 2 * cells**2).sum() + 0.25 * cells.size)
        for q in f.living():
            rows = min(f.boxes[q, 1], f.active - f.boxes[q, 0])
            padded = f._padded(q)[1 : 1 + rows]
            if f.pad:
                padded = padded[:, 1:].copy()
                if f.boxes[q, 3] == f.shape[1]:
                    padded[:, -1] = padded[:, 0]
            total += _local_energy(f.values(q)[:rows], c, q) + _gradient_energy(padded, c, q)
        return total

    def dense(self) -> np.ndarray:
        return self.fields.dense()

    def nbytes(self) -> int:
        return self.fields.peak_bytes


@dataclass
class Dense:
    """State of every grain in every cell, (grains, z, y, x + 2)."""

    eta: np.ndarray
    s: np.ndarray
    k: np.ndarray
    coefficients: Coefficients
    shape: tuple[int, int, int]
    active: int
    now: int = 0

    @classmethod
    def start(cls, c: Coefficients, growth: Growth, seeds: Seeds, layers: int) -> Dense:
        nz, ny, nx = growth.cells
        eta = np.zeros((2, len(seeds.orientation), nz, ny, nx + 2))
        for q in range(len(seeds.orientation)):
            eta[0, q, :layers, :, 1:-1][: len(seeds.labels)] = seeds.labels[:layers] == q
        eta[0, ..., 0], eta[0, ..., -1] = eta[0, ..., -2], eta[0, ..., 1]
        s, k = np.zeros((2, nz * ny * nx)), np.zeros((2, nz * ny * nx if c.mean else 1))
        s[0] = (eta[0, ..., 1:-1] ** 2).sum(axis=0).ravel()
        if c.mean:
            k[0] = np.einsum("q,qzyx->zyx", c.kappas, eta[0, ..., 1:-1] ** 2).ravel()
        return cls(eta, s, k, c, (nz, ny, nx), layers)

    def advance(self, steps: int) -> None:
        c = self.coefficients
        self.now = _kernels.step_dense(
            self.eta.reshape(2, -1), self.s, self.k, self.now, steps, self.shape, self.active, c.gamma, c.kappas,
            c.rates, c.drives, c.mean,
        )  # fmt: skip

    def deposit(self, copy: bool) -> None:
        if copy:
            a = self.active
            self.eta[self.now, :, a] = self.eta[self.now, :, a - 1]
            for sums in (self.s, self.k) if self.coefficients.mean else (self.s,):
                grid = sums[self.now].reshape(self.shape)
                grid[a] = grid[a - 1]
        self.active += 1

    def labels(self) -> np.ndarray:
        eta = self.dense()
        return np.where(eta.max(axis=0) > _boxes.SOLID, eta.argmax(axis=0), -1)

    def energy(self) -> float:
        c, a = self.coefficients, self.active
        s = self.s[self.now].reshape(self.shape)[:a]
        total = float((c.gamma / 2 * s**2).sum() + 0.25 * s.size)
        for q in range(len(c.kappas)):
            padded = self.eta[self.now, q, :a]
            if self.shape[1] > 1:
                padded = np.concatenate([padded, padded[:, :1]], axis=1)
            total += _local_energy(self.eta[self.now, q, :a, :, 1:-1], c, q) + _gradient_energy(padded, c, q)
        return total

    def dense(self) -> np.ndarray:
        return self.eta[self.now, ..., 1:-1]

    def nbytes(self) -> int:
        return self.eta.nbytes + self.s.nbytes + self.k.nbytes
