"""State of the cell at one scan: eight surfaces on the fine section and the displacement of the electrolyte.

The lower collector stands still. In every column, from below: steel, Li (h), void (v), interphase (p), electrolyte,
interphase, void, Li, steel. Lithium changes by Faraday's law, voids are carved into it, so the gap g = h + v between
collector and interphase follows the smooth, prescribed current; its mean makes up for the mean of the voids. The
faces of the electrolyte move by what lies below and above them, the inside by the solution of Laplace's equation
between them, and the upper collector, flat and rigid, by the mean of all.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np

from operando.core.errors import InputError

from . import protocol
from .cell import SymmetricCell
from .fields import Section, current_pattern, pattern, random_field, rough, section

#: surfaces from below; each is the upper end of the layer below it
SURFACES = (
    "steel_bottom", "lithium_bottom", "interphase_bottom", "electrolyte_bottom",
    "electrolyte_top", "interphase_top", "lithium_top", "steel_top",
)  # fmt: skip
ELECTRODES = ("bottom", "top")
KEPT_BYTES = 300_000_000  # of states that are kept for the next question about them
NODES = 33  # levels of the electrolyte at which its displacement is stated


@dataclass(frozen=True)
class State:
    """The cell at one time, on the fine section (y, x).

    surfaces     (8, fine, fine) heights (um) of `SURFACES`
    first        (2, fine, fine) faces of the electrolyte at the start, in its own coordinates (um)
    front        (2, fine, fine) electrolyte left now, in its own coordinates (um)
    swelling     (2,) interphase made over electrolyte consumed
    displacement (NODES, width, width) rise (um) of the electrolyte at equal parts between the fronts, on voxels
    """

    where: Section
    surfaces: np.ndarray
    first: np.ndarray
    front: np.ndarray
    swelling: tuple[float, float]
    displacement: np.ndarray
    shift_um: tuple[float, float, float]

    @property
    def nbytes(self) -> int:
        return self.surfaces.nbytes + self.first.nbytes + self.front.nbytes + self.displacement.nbytes

    @property
    def voids(self) -> np.ndarray:
        """(2, fine, fine) thickness of the voids (um); 0 is contact."""
        s = self.surfaces
        return np.stack([s[2] - s[1], s[6] - s[5]])

    @property
    def contact(self) -> np.ndarray:
        """(2, fine, fine) bool: lithium touches the interphase. False outside of the sample."""
        return (self.voids <= 0) & self.where.inside

    @property
    def lithium(self) -> np.ndarray:
        """(2, fine, fine) thickness of the lithium (um)."""
        s = self.surfaces
        return np.stack([s[1] - s[0], s[7] - s[6]])

    @property
    def interphase(self) -> np.ndarray:
        """(2, fine, fine) thickness of the interphase (um)."""
        s = self.surfaces
        return np.stack([s[3] - s[2], s[5] - s[4]])


_KEPT: OrderedDict[tuple[SymmetricCell, int], State] = OrderedDict()
_LOCK = Lock()


def void_thickness(cell: SymmetricCell, t: float, electrode: int, where: Section) -> np.ndarray:
    """(fine, fine) thickness of voids (um): where a random field exceeds the level that leaves the wanted contact."""
    names = [f"void {electrode} {part}" for part in "ab"]
    here, there = (random_field(cell, name, cell.void_correlation_um, where) for name in names)
    angle = cell.void_wander * float(sum(protocol.passed_mAh_cm2(cell, np.asarray(t))))
    field = np.cos(angle) * here + np.sin(angle) * there
    level = np.quantile(field[where.inside], protocol.contact_share(cell, t, electrode))
    depth = np.sqrt(np.clip(field - level, 0, 1))
    return np.where(field > level, cell.void_edge_um + (cell.void_um - cell.void_edge_um) * depth, 0.0)


@dataclass(frozen=True)
class _Side:
    """One electrode: gap between collector and interphase, voids, interphase, all (fine, fine) in um."""

    gap: np.ndarray
    gap_change: np.ndarray  # including the swelling of the interphase
    void: np.ndarray
    interphase: np.ndarray
    first_interphase: np.ndarray
    consumed: np.ndarray
    swelling: float


def _side(cell: SymmetricCell, t: float, electrode: int, where: Section, steel: np.ndarray) -> _Side:
    current = current_pattern(cell, where)
    patches = pattern(
        cell, f"interphase {electrode}", cell.interphase_ripple, cell.interphase_correlation_um, where
    )
    _, consumed, swelling = protocol.interphase_um(cell, t, electrode)
    first = cell.interphase_um[electrode] * patches
    interphase = first + (consumed + swelling) * patches
    void = void_thickness(cell, t, electrode, where)
    void_0 = void_thickness(cell, protocol.scan_start_s(cell)[0], electrode, where)
    sign = 1 if electrode == 0 else -1
    face = rough(
        cell, f"face {electrode}", cell.roughness_um[electrode], cell.roughness_correlation_um, where
    )
    gap_0 = cell.lithium_um[electrode] + where.mean(void_0) + sign * (face - steel)
    change = protocol.lithium_change_um(cell, t, electrode) * current + where.mean(void) - where.mean(void_0)
    made = consumed + swelling
    return _Side(
        gap_0 + change, change + swelling * patches, void, interphase, first, consumed * patches,
        made / consumed if consumed > 0 else 1.0,
    )  # fmt: skip


def state(cell: SymmetricCell, scan: int) -> State:
    """The cell in the middle of a scan.

    Raises `InputError` when a layer is used up or the stack leaves the volume.
    """
    if not 0 <= scan < cell.scans:
        raise InputError(f"there is no scan {scan}", where="SymmetricCell", fix=f"0 to {cell.scans - 1}.")
    key = (cell, scan)
    with _LOCK:
        if key in _KEPT:
            return _KEPT[key]
    made = state_at(cell, float(protocol.scan_middle_s(cell)[scan]))
    with _LOCK:
        _KEPT[key] = made
        while len(_KEPT) > 1 and sum(one.nbytes for one in _KEPT.values()) > KEPT_BYTES:
            _KEPT.popitem(last=False)
    return made


def state_at(cell: SymmetricCell, t: float) -> State:
    """The cell at time t (s since the start of the first scan)."""
    dx, dy, dz = cell.drift_um_per_h
    shift = (dx * t / 3600, dy * t / 3600, dz * t / 3600)
    where = section(cell, (shift[0], shift[1]))
    steels = [
        rough(cell, f"steel {electrode}", cell.steel_roughness_um, cell.roughness_correlation_um, where)
        for electrode in (0, 1)
    ]
    below, above = (_side(cell, t, electrode, where, steels[electrode]) for electrode in (0, 1))
    steel_bottom = cell.steel_um + steels[0]
    z2 = steel_bottom + below.gap
    z3 = z2 + below.interphase
    u_bottom = below.gap_change
    first_bottom = z3 - u_bottom - below.consumed
    collector = _collector_um(cell, t, where)
    rise = where.mean(u_bottom) + where.mean(above.gap_change) - _compression_um(cell, t)
    z7 = collector + rise + steels[1]
    z5 = z7 - above.gap
    z4 = z5 - above.interphase
    u_top = rise - above.gap_change
    first_top = z4 - u_top + above.consumed
    surfaces = np.stack([steel_bottom, z2 - below.void, z2, z3, z4, z5, z5 + above.void, z7]) + shift[2]
    _check(cell, surfaces, where, t)
    front = np.stack([first_bottom + below.consumed, first_top - above.consumed])
    inside = harmonic(
        on_voxels(u_bottom, cell), on_voxels(u_top, cell), where.mean(front[1] - front[0]), cell.voxel_um
    )
    return State(
        where, surfaces, np.stack([first_bottom, first_top]), front, (below.swelling, above.swelling),
        inside, shift,
    )  # fmt: skip


def on_voxels(values: np.ndarray, cell: SymmetricCell) -> np.ndarray:
    """Mean over the sub-columns of each voxel: (..., fine, fine) to (..., width, width)."""
    n, fine = cell.width, cell.subsample
    return values.reshape(*values.shape[:-2], n, fine, n, fine).mean((-3, -1))


def _collector_um(cell: SymmetricCell, t: float, where: Section) -> float:
    """Mean height of the upper collector at the start: steel and the layers on it, with the first voids."""
    voids = [where.mean(void_thickness(cell, protocol.scan_start_s(cell)[0], e, where)) for e in (0, 1)]
    return cell.stack_um + sum(voids)


def _compression_um(cell: SymmetricCell, t: float) -> float:
    return cell.compression_um_per_mAh_cm2 * float(sum(protocol.passed_mAh_cm2(cell, np.asarray(t))))


def _check(cell: SymmetricCell, surfaces: np.ndarray, where: Section, t: float) -> None:
    layers = np.diff(surfaces, axis=0)
    names = ("lithium", "void", "interphase", "electrolyte", "interphase", "void", "lithium")
    for name, layer in zip(names, layers, strict=True):
        least = float(layer[where.inside].min())
        if least < -1e-9:
            raise InputError(
                f"the {name} is used up at {t:.0f} s ({least:.1f} um)", where="SymmetricCell",
                fix="Give a thicker layer, smaller roughness, thinner voids or less charge.",
            )  # fmt: skip
    if surfaces[7][where.inside].max() > cell.height * cell.voxel_um or surfaces[0][where.inside].min() < 0:
        raise InputError(
            f"the stack leaves the volume at {t:.0f} s", where="SymmetricCell", fix="Give more height."
        )


def harmonic(bottom: np.ndarray, top: np.ndarray, thickness_um: float, pixel_um: float) -> np.ndarray:
    """(NODES, n, n) solution of Laplace's equation in a slab with values given on its faces, periodic in x and y.

    u_k(s) = [b_k sinh(k L (1 - s)) + t_k sinh(k L s)] / sinh(k L), s from 0 (bottom) to 1 (top).
    """
    from scipy import fft

    count = bottom.shape[0]
    b, t = fft.rfft2(bottom), fft.rfft2(top)
    ky = 2 * np.pi * fft.fftfreq(count, pixel_um)[:, None]
    kx = 2 * np.pi * fft.rfftfreq(count, pixel_um)[None]
    kl = np.hypot(kx, ky) * thickness_um
    out = np.empty((NODES, count, count))
    for level, s in enumerate(np.linspace(0, 1, NODES)):
        out[level] = fft.irfft2(b * _share(kl, 1 - s) + t * _share(kl, s), s=bottom.shape)
    return out


def _share(kl: np.ndarray, s: float) -> np.ndarray:
    """sinh(kl s) / sinh(kl), without overflow; s where kl is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.exp(-kl * (1 - s)) * -np.expm1(-2 * kl * s) / -np.expm1(-2 * kl)
    return np.where(kl > 0, value, s)
