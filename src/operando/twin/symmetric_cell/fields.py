"""Fields over the section of the cell: random ones of a known correlation, and patterns of mean one."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .cell import SymmetricCell


@dataclass(frozen=True)
class Section:
    """The fine lateral grid of a scan: sub-columns, and which of them are the sample.

    x, y      (fine,) positions from the rotation axis (um)
    shift_um  x, y by which the sample has drifted
    inside    (fine, fine) bool, of the pellet
    """

    x: np.ndarray
    y: np.ndarray
    shift_um: tuple[float, float]
    inside: np.ndarray

    def __hash__(self) -> int:
        return hash((self.shift_um, len(self.x), float(self.x[0])))

    def __eq__(self, other: object) -> bool:  # sections of one cell differ by their shift only
        return isinstance(other, Section) and (self.shift_um, len(self.x), float(self.x[0])) == (
            other.shift_um, len(other.x), float(other.x[0])
        )  # fmt: skip

    @property
    def pixel_um(self) -> float:
        return float(self.x[1] - self.x[0])

    @property
    def area_um2(self) -> float:
        return float(self.inside.sum()) * self.pixel_um**2

    def mean(self, values: np.ndarray) -> float:
        """Mean over the sample."""
        return float(values[self.inside].mean(dtype=np.float64))


def axis_um(cell: SymmetricCell, fine: int = 1) -> np.ndarray:
    """(width * fine,) positions of columns along x or y, from the rotation axis."""
    count = cell.width * fine
    return (np.arange(count) - (count - 1) / 2) * cell.voxel_um / fine


@lru_cache(maxsize=4)
def section(cell: SymmetricCell, shift_um: tuple[float, float] = (0.0, 0.0)) -> Section:
    """The section of a cell that drifted by `shift_um` (x, y)."""
    x = axis_um(cell, cell.subsample)
    if cell.diameter_um is None:
        inside = np.ones((len(x), len(x)), bool)
    else:
        inside = np.hypot(x[None] - shift_um[0], x[:, None] - shift_um[1]) <= cell.diameter_um / 2
    return Section(x, x, shift_um, inside)


@lru_cache(maxsize=16)
def random_field(cell: SymmetricCell, name: str, correlation_um: float, where: Section) -> np.ndarray:
    """(fine, fine) Gaussian field with autocorrelation exp(-(r / correlation_um)^2), periodic, variance about 1.

    Moves with the drift of the sample, exactly (a phase ramp). `name` and the seed choose the field.
    """
    from scipy import fft

    count = cell.width  # white noise on voxels: the field does not depend on the subsample
    fine = count * cell.subsample
    rng = np.random.default_rng([cell.seed, zlib.crc32(name.encode())])
    white = fft.rfft2(rng.standard_normal((count, count)))
    ky = 2 * np.pi * fft.fftfreq(count, cell.voxel_um)[:, None]
    kx = 2 * np.pi * fft.rfftfreq(count, cell.voxel_um)[None]
    power = np.exp(-(kx**2 + ky**2) * correlation_um**2 / 4)
    weight = np.ones_like(power)
    weight[:, 1 : (count + 1) // 2] = 2
    power[0, 0] = 0
    spectrum = white * np.sqrt(power * count**2 / (power * weight).sum()) / count
    middle = cell.voxel_um * (1 - 1 / cell.subsample) / 2  # first sub-column to first column
    spectrum = spectrum * np.exp(
        -1j * (kx * (where.shift_um[0] + middle) + ky * (where.shift_um[1] + middle))
    )
    padded = np.zeros((fine, fine // 2 + 1), complex)
    half = (count - 1) // 2
    padded[: half + 1, : half + 1] = spectrum[: half + 1, : half + 1]
    if half:
        padded[-half:, : half + 1] = spectrum[-half:, : half + 1]
    field = fft.irfft2(padded, s=(fine, fine)) * (fine**2 / count)
    field.flags.writeable = False  # it is kept
    return field


def rough(cell: SymmetricCell, name: str, ra_um: float, correlation_um: float, where: Section) -> np.ndarray:
    """(fine, fine) height (um) of mean zero and R_a `ra_um` (mean plane removed) over the undrifted sample."""
    at_start = section(cell)
    field = random_field(cell, name, correlation_um, at_start)
    level, scale = at_start.mean(field), roughness_um(field, at_start)[0]
    return (random_field(cell, name, correlation_um, where) - level) * (ra_um / scale if scale else 0.0)


def roughness_um(surface: np.ndarray, where: Section) -> tuple[float, float]:
    """R_a and R_q of a (fine, fine) surface: mean and rms distance from its least-squares plane."""
    y, x = np.nonzero(where.inside)
    design = np.stack([np.ones(len(x)), where.x[x], where.y[y]], 1)
    heights = surface[where.inside]
    rest = heights - design @ np.linalg.lstsq(design, heights, rcond=None)[0]
    return float(abs(rest).mean()), float(np.sqrt((rest**2).mean()))


def pattern(
    cell: SymmetricCell, name: str, ripple: float, correlation_um: float, where: Section
) -> np.ndarray:
    """(fine, fine) relative thickness or current density, mean 1 over the sample, without hot spot."""
    field = 1 + ripple * random_field(cell, name, correlation_um, where)
    return field / where.mean(field)


def current_pattern(cell: SymmetricCell, where: Section) -> np.ndarray:
    """(fine, fine) prescribed local current density over its mean: ripple, dome and hot spot."""
    sx, sy = where.shift_um
    field = 1 + cell.current_ripple * random_field(cell, "current", cell.current_correlation_um, where)
    length = cell.width * cell.voxel_um
    wave = (
        np.cos(2 * np.pi * (where.x - sx) / length)[None]
        + np.cos(2 * np.pi * (where.y - sy) / length)[:, None]
    )
    field += cell.current_dome * wave / 2
    if cell.hot_spot_gain:
        x, y = where.x - sx - cell.hot_spot_um[0], where.y - sy - cell.hot_spot_um[1]
        radius2 = x[None] ** 2 + y[:, None] ** 2
        field += (cell.hot_spot_gain - 1) * np.exp(-radius2 / (2 * cell.hot_spot_sigma_um**2))
    return field / where.mean(field)
