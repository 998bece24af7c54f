"""Li grains that come into the diffraction condition, turn, and leave it: born, seen, gone, all known."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import ndtr

from . import protocol
from .cell import FilmCell
from .stack import bending_um, drift_um, plated_at
from .texture import LI_A, cubic_q

KINDS = ("ephemeral", "unstable", "stable")
KIND_SHARE = (0.70, 0.27, 0.03)
LIFETIME_MAPS = ((0.5, 2.0), (3.0, 10.0), (15.0, 60.0))
FIRST_LI_UM = 0.05  # no grain before this much Li


@dataclass(frozen=True)
class Grains:
    """Li(110) grains; every array is (grains,).

    born_s, died_s   when the grain begins and ceases to diffract, s since the start of the first map
    x_um, width_um   its centre and extent along x
    low, high        the part of the Li layer that it spans: 0 at LiPON, 1 at Ti
    azimuth_deg      at birth; turning by rotation_deg_per_s
    peak             height relative to the diffuse background, when it fills the beam
    q                of its (110) planes, 1/angstrom
    kind             index into KINDS
    epitaxial        oriented by the Ti below it
    """

    born_s: np.ndarray
    died_s: np.ndarray
    x_um: np.ndarray
    width_um: np.ndarray
    low: np.ndarray
    high: np.ndarray
    azimuth_deg: np.ndarray
    rotation_deg_per_s: np.ndarray
    peak: np.ndarray
    q: np.ndarray
    kind: np.ndarray
    epitaxial: np.ndarray

    def __len__(self) -> int:
        return len(self.born_s)

    def some(self, which: np.ndarray) -> Grains:
        """The grains that a mask or index selects."""
        return Grains(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def azimuth_at(self, t_s) -> np.ndarray:
        """(*t, grains) degrees in [0, 360)."""
        t = np.asarray(t_s, float)[..., None]
        return np.mod(self.azimuth_deg + self.rotation_deg_per_s * (t - self.born_s), 360)

    def strength_at(self, t_s) -> np.ndarray:
        """(*t, grains) 0 to 1: rises over the first 15 % of a life, falls over the last."""
        t = np.asarray(t_s, float)[..., None]
        edge = 0.15 * (self.died_s - self.born_s)
        return np.clip(np.minimum(t - self.born_s, self.died_s - t) / edge, 0, 1)


def grow_grains(cell: FilmCell) -> Grains:
    """Draw all grains of an experiment from its seed."""
    rng = np.random.default_rng([cell.seed, 23])
    charge, _, rest = protocol.step_times(cell)
    early, late = cell.grain_births_per_mm_map
    end = max(cell.maps * cell.map_period_s, charge + cell.grain_map_s)
    mm = cell.columns * cell.step_x_um * 1e-3
    number = rng.poisson(early * mm * (end - charge) / cell.grain_map_s)
    born = np.sort(rng.uniform(charge, end, number))
    rate = np.interp(born, [charge, rest], [1.0, late / max(early, 1e-300)])
    born = born[(rng.random(number) < rate) & (protocol.plated_um(cell, born) > FIRST_LI_UM)]
    n = len(born)
    kind = rng.choice(3, n, p=KIND_SHARE)
    shortest, longest = np.array(LIFETIME_MAPS).T
    life = rng.uniform(shortest[kind], longest[kind]) * cell.grain_map_s
    epitaxial = protocol.charge_density(cell, born) < cell.epitaxy_mAh_cm2
    epitaxial &= born < protocol.step_times(cell)[1]
    oriented = 60 * rng.integers(0, 6, n) + cell.grain_spread_deg * rng.standard_normal(n)
    azimuth = np.where(epitaxial, oriented, rng.uniform(0, 360, n))
    whole = rng.random(n) < 0.75
    low = np.where(whole, 0.0, 0.4 * rng.random(n))
    high = np.where(whole, 1.0, low + 0.4 + 0.2 * rng.random(n))
    return Grains(
        born, born + life, rng.uniform(-0.5, cell.columns - 0.5, n) * cell.step_x_um,
        np.clip(15 * np.exp(0.35 * rng.standard_normal(n)), 5, 40), low, high, np.mod(azimuth, 360),
        cell.grain_rotation_deg_per_h / 3600 * rng.standard_normal(n),
        cell.grain_peak * np.exp(0.5 * rng.standard_normal(n)),
        cubic_q((1, 1, 0), LI_A * (1 + 2e-4 * rng.standard_normal(n))), kind, epitaxial,
    )  # fmt: skip


def seen_share(cell: FilmCell, grains: Grains, z_um, column, t_s) -> np.ndarray:
    """(points, grains): part of the beam that each grain fills at each point and time, times its strength."""
    z, column, t = (np.asarray(v)[:, None] for v in (z_um, column, t_s))
    x = column * cell.step_x_um
    z = z - drift_um(cell, t)
    half = cell.step_x_um / 2
    left, right = grains.x_um - grains.width_um / 2, grains.x_um + grains.width_um / 2
    overlap = np.minimum(x + half, right) - np.maximum(x - half, left)
    plated = plated_at(cell, column, t)
    bottom = cell.lco_top_um + cell.lipon_um
    still = np.hypot(cell.beam_sigma_um, cell.interface_um)
    moving = np.hypot(still, bending_um(cell, plated))

    def below(part):
        return ndtr((bottom + part * plated - z) / (still + part * (moving - still)))

    z_share = np.clip(below(grains.high) - below(grains.low), 0, None)
    return np.clip(overlap, 0, None) / cell.step_x_um * z_share * grains.strength_at(np.asarray(t_s))
