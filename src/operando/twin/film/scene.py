"""The detector as the twin sees it: geometry, dead pixels, and which pixels each ring can reach.

Intensities are evaluated at pixel centres from q(pixel) and azimuth(pixel). A ring's Gaussian in q is widened by the
pixel, sigma^2 + dq^2 / 12, which equals the mean over the pixel to better than 1 % of the peak where sigma > 0.7 dq.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from operando.core import Geometry
from operando.core.errors import InputError
from operando.core.units import energy_to_wavelength

from . import texture
from .cell import FilmCell
from .stack import LAYERS

DEAD = 2**32 - 1
PROFILE_BINS = 8192
MOVING_RANGE = {"LCO003": 0.045, "LCO101": 0.02, "LCO104": 0.03, "LCO110": 0.016}  # 1/angstrom, +-


@dataclass(frozen=True)
class RingPixels:
    """The pixels near a ring: flat indices, their q, and texture times solid angle, polarisation and shadow."""

    ring: texture.Ring
    pixels: np.ndarray
    q: np.ndarray
    shape: np.ndarray
    sigma: float


@dataclass(frozen=True)
class Scene:
    """Everything about the detector that does not change from frame to frame. Images are flat."""

    geometry: Geometry
    live: np.ndarray
    factor: np.ndarray
    q_index: np.ndarray
    profiles: np.ndarray
    moving: tuple[RingPixels, ...]
    still: tuple[tuple[str, np.ndarray, np.ndarray], ...]
    li_pixels: np.ndarray
    li_azimuth: np.ndarray
    li_q: np.ndarray
    li_shape: np.ndarray
    li_sigma: float


def film_geometry(cell: FilmCell) -> Geometry:
    """The geometry that belongs to the stored images."""
    pixel = cell.pixel_um * 1e-6
    return Geometry(
        cell.distance_m, cell.beam_z_px * pixel, cell.beam_x_px * pixel, energy_to_wavelength(cell.energy_keV),
        (pixel, pixel), cell.shape, float(np.deg2rad(cell.rot1_deg)), float(np.deg2rad(cell.rot2_deg)), 0.0,
        cell.orientation, "none", cell.detector,
    )  # fmt: skip


def _check_detector(cell: FilmCell, geometry: Geometry) -> None:
    """Raise `InputError` when a named detector has another size or other pixels than the cell says."""
    detector = geometry.integrator.detector
    true = tuple(detector.max_shape or detector.shape), (detector.pixel1, detector.pixel2)
    if cell.detector and (
        true[0] != tuple(cell.shape) or not np.allclose(true[1], geometry.pixel_m, rtol=1e-6)
    ):
        raise InputError(
            f"{cell.detector} has {true[0][0]} x {true[0][1]} pixels of {true[1][0] * 1e6:g} um", where="FilmCell",
            fix="Set shape and pixel_um to these, or detector = None.",
        )  # fmt: skip


def dead_mask(cell: FilmCell, geometry: Geometry, q: np.ndarray) -> np.ndarray:
    """(rows, columns), True in module gaps and behind the beam stop."""
    mask = geometry.detector_mask()
    mask = np.zeros(cell.shape, bool) if mask is None else mask.copy()
    for axis, (module, gap) in enumerate(zip(cell.module, cell.gap, strict=True)):
        if module and gap:
            place = np.arange(cell.shape[axis]) % (module + gap)
            mask |= (place >= module)[:, None] if axis == 0 else (place >= module)[None, :]
    return mask | (q < cell.beam_stop_q)


def shadow(cell: FilmCell, azimuth: np.ndarray) -> np.ndarray:
    """Transmission of the sample's own shadow against azimuth, its edges 2 degrees wide."""
    start, stop = cell.shadow_azimuth_deg
    middle, half = (start + stop) / 2, (stop - start) / 2
    off = np.abs((azimuth - middle + 180) % 360 - 180)
    return 1 - (1 - cell.shadow_transmission) / (1 + np.exp((off - half) / 0.5))


@lru_cache(maxsize=2)
def scene(cell: FilmCell) -> Scene:
    """Build the scene of a cell's detector."""
    geometry = film_geometry(cell)
    _check_detector(cell, geometry)
    q, azimuth = geometry.q(), geometry.azimuth()
    live = ~dead_mask(cell, geometry, q)
    factor = geometry.solid_angle() * geometry.polarisation(cell.polarisation) * shadow(cell, azimuth) * live
    dq = np.hypot(*np.gradient(q))
    grid = np.linspace(0, q.max() * (1 + 1e-9), PROFILE_BINS)
    profiles = np.array([texture.diffuse(name, grid) for name in LAYERS] + [texture.air(grid)])
    flat = q.ravel(), azimuth.ravel(), factor.ravel(), dq.ravel()
    moving = []
    for ring in texture.lco_rings(cell):
        centre = texture.hexagonal_q(ring.hkl, 2.8005, 14.13)
        moving.append(_near(ring, centre, MOVING_RANGE[ring.name], *flat))
    still = []
    for ring, centre in texture.still_rings(cell):
        near = _near(ring, centre, 0.0, *flat)
        values = near.shape * np.exp(-0.5 * ((near.q - centre) / near.sigma) ** 2)
        still.append((ring.layer, near.pixels, (ring.peak * values).astype(np.float32)))
    li = texture.Ring("Li110", "Li", (1, 1, 0), 1.0, cell.ring_sigma_q, 1.0, powder=1.0)
    near = _near(li, texture.cubic_q((1, 1, 0), texture.LI_A), 0.006, *flat)
    order = np.argsort(flat[1][near.pixels], kind="stable")
    return Scene(
        geometry, live.ravel(), factor.ravel().astype(np.float32),
        np.rint(q.ravel() / grid[1]).astype(np.uint16), profiles, tuple(moving), tuple(still),
        near.pixels[order], flat[1][near.pixels][order], near.q[order], near.shape[order], near.sigma,
    )  # fmt: skip


def _near(ring: texture.Ring, centre: float, reach: float, q, azimuth, factor, dq) -> RingPixels:
    """Pixels within reach and 5 sigma of a ring where its texture is not negligible."""
    roughly = np.flatnonzero((np.abs(q - centre) < reach + 8 * ring.sigma_q) & (factor > 0))
    pixel = float(np.median(dq[roughly])) if len(roughly) else 0.0
    sigma = float(np.hypot(ring.sigma_q, pixel / np.sqrt(12)))
    roughly = roughly[np.abs(q[roughly] - centre) < reach + 5 * sigma]
    along = ring.along(azimuth[roughly])
    keep = along > 1e-4
    pixels = roughly[keep]
    shape = along[keep] * factor[pixels]
    return RingPixels(
        ring, pixels.astype(np.int32), q[pixels].astype(np.float32), shape.astype(np.float32), sigma
    )
