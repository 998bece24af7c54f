"""The short way, without images: a ring of every point of a map in azimuth and q, with Poisson counts.

For tests that need many profiles. The rings are those of the frames; each bin is lit at its centre and weighs what
the live pixels in it weigh. Its width widens the ring, sigma^2 + dq_bin^2 / 12. The pixels of an image lie unevenly in
bins as narrow as a pixel; here they lie evenly, so this is no substitute for frames where the binning is under test.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from . import protocol, texture
from .cell import FilmCell
from .frames import MapModel, count_scale, map_model
from .scene import MOVING_RANGE, scene, shadow
from .stack import FAMILIES, LAYERS, OPTICAL_DEPTH

HALF_WINDOW = {"Ti": 0.05, "Au": 0.06, "Li": 0.03, "LCO": 0.05}  # 1/angstrom beyond the range of the ring


def film_rings(
    cell: FilmCell, map_index: int, ring: str, *, q_range: tuple[float, float] | None = None, q_bins: int | None = None,
    azimuth_bins: int = 360, rng: np.random.Generator | None = None,
) -> xr.Dataset:  # fmt: skip
    """Counts near one ring for every point of one map.

    ring     "LCO003", "LCO101", "LCO104", "LCO110", "Ti100", "Ti002", "Au111", "Li110", ...
    q_range  1/angstrom; by default wide enough for all states of the cell
    q_bins   by default bins as wide as a pixel
    rng      source of the Poisson noise; by default the cell's seed

    Returns dims (z, x, azimuth, q): counts and expected (counts); and (azimuth, q): weight, the live pixels times
    solid angle and polarisation, without the shadow. Raises `InputError` for an unknown ring.
    """
    low, high = q_range or default_range(cell, ring)
    q_bins = q_bins or max(4, int((high - low) / _pixel_q(cell, low, high)))
    edges = np.linspace(low, high, q_bins + 1)
    azimuth = (np.arange(azimuth_bins) + 0.5) * 360 / azimuth_bins
    q = (edges[1:] + edges[:-1]) / 2
    weight, lit = _bin_weights(cell, low, high, q_bins, azimuth_bins)
    model = map_model(cell, map_index)
    peak = partial(_peak, q, _pixel_q(cell, low, high) / np.sqrt(12), (edges[1] - edges[0]) / np.sqrt(12))
    flat = np.zeros((cell.points, azimuth_bins, q_bins), np.float32)
    light = model.state.beam * count_scale(cell)
    depth = np.exp([-OPTICAL_DEPTH[name] for name in LAYERS])
    layers = dict(zip(LAYERS, light * model.state.share * depth[:, None], strict=True))
    flat += _diffuse(model, layers, light, q)[:, None, :].astype(np.float32)
    for along, across in _ring_terms(model, layers, azimuth, q, peak):
        flat += along[None, :, None].astype(np.float32) * across[:, None, :].astype(np.float32)
    _add_grains(flat, model, light * depth[LAYERS.index("Li")], azimuth, q, peak)
    flat *= lit.astype(np.float32)
    expected = np.empty_like(flat)
    expected[protocol.frame_points(cell)] = flat
    rng = rng or np.random.default_rng([cell.seed, 53, map_index])
    shape = (cell.rows, cell.columns, azimuth_bins, q_bins)
    z, x = protocol.grid_um(cell)
    dims = ("z", "x", "azimuth", "q")
    return xr.Dataset(
        {
            "counts": (dims, rng.poisson(expected).reshape(shape), {"units": "counts"}),
            "expected": (dims, expected.reshape(shape), {"units": "counts"}),
            "weight": (dims[2:], weight, {"units": "1"}),
        },
        {
            "z": ("z", z, {"units": "um"}), "x": ("x", x, {"units": "um"}),
            "azimuth": ("azimuth", azimuth, {"units": "degree"}), "q": ("q", q, {"units": "1/angstrom"}),
        },
    )  # fmt: skip


def default_range(cell: FilmCell, name: str) -> tuple[float, float]:
    """A window around a ring that holds it in every state of the cell."""
    centres = {ring.name: q for ring, q in texture.still_rings(cell)}
    centres |= {ring.name: texture.hexagonal_q(ring.hkl, 2.8005, 14.13) for ring in texture.lco_rings(cell)}
    centres["Li110"] = texture.cubic_q((1, 1, 0), texture.LI_A)
    if name not in centres:
        raise InputError(f"no ring called {name!r}", where="film_rings", fix=f"One of: {', '.join(centres)}.")
    half = MOVING_RANGE.get(name, 0.0) + max(HALF_WINDOW[name.rstrip("0123456789")], 6 * cell.ring_sigma_q)
    return float(centres[name] - half), float(centres[name] + half)


@lru_cache(maxsize=8)
def _bin_weights(cell: FilmCell, low: float, high: float, q_bins: int, azimuth_bins: int):
    """(azimuth, q) weight of live pixels without the shadow, and with it."""
    geometry = scene(cell).geometry
    q, azimuth = geometry.q(), geometry.azimuth()
    there = scene(cell).live & ((q >= low) & (q < high)).ravel()
    plain = (geometry.solid_angle() * geometry.polarisation(cell.polarisation)).ravel()[there]
    at_azimuth, at_q = azimuth.ravel()[there], q.ravel()[there]
    bins, limits = (azimuth_bins, q_bins), ((0, 360), (low, high))
    weight = np.histogram2d(at_azimuth, at_q, bins, limits, weights=plain)[0]
    lit = np.histogram2d(at_azimuth, at_q, bins, limits, weights=plain * shadow(cell, at_azimuth))[0]
    return weight, lit


@lru_cache(maxsize=8)
def _pixel_q(cell: FilmCell, low: float, high: float) -> float:
    """Size of a pixel in q near a ring. Raises `InputError` when no pixel looks there."""
    q = scene(cell).geometry.q()
    there = (q >= low) & (q < high)
    if not there.any():
        raise InputError(f"no pixel between q = {low:.3f} and {high:.3f} 1/angstrom", where="film_rings")
    return float(np.median(np.hypot(*np.gradient(q))[there]))


def _diffuse(model: MapModel, layers: dict, light: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(frames, q) smooth scattering."""
    total = (light * model.state.transmission)[:, None] * texture.air(q)
    for name, lit in layers.items():
        total = total + lit[:, None] * texture.diffuse(name, q)
    return total


def _peak(q: np.ndarray, pixel_sigma: float, bin_sigma: float, centre, sigma_q: float) -> np.ndarray:
    """(*centre, q) the ring of an image, of height one there, averaged over bins: its area stays."""
    image = np.hypot(sigma_q, pixel_sigma)
    binned = np.hypot(image, bin_sigma)
    return image / binned * np.exp(-0.5 * ((q - np.asarray(centre)[..., None]) / binned) ** 2)


def _along(ring: texture.Ring, azimuth: np.ndarray) -> np.ndarray:
    """Texture averaged over azimuth bins."""
    inside = (np.arange(5) - 2) / 5 * (azimuth[1] - azimuth[0])
    return ring.along(azimuth[:, None] + inside).mean(1)


def _ring_terms(model: MapModel, layers: dict, azimuth: np.ndarray, q: np.ndarray, peak: Callable):
    """Each ring as (azimuth,) times (frames, q); for LCO one a family and phase."""
    for ring, centre in texture.still_rings(model.cell):
        if q[0] - 6 * ring.sigma_q < centre < q[-1] + 6 * ring.sigma_q:
            yield _along(ring, azimuth), ring.peak * layers[ring.layer][:, None] * peak(centre, ring.sigma_q)
    state = model.state
    for ring in texture.lco_rings(model.cell):
        family = FAMILIES.index(ring.family or "")
        for phase, part in enumerate((state.insulating, 1 - state.insulating)):
            centre = texture.hexagonal_q(ring.hkl, state.a[family, phase], state.c[family, phase])
            if (centre > q[0] - 6 * ring.sigma_q).any() and (centre < q[-1] + 6 * ring.sigma_q).any():
                height = ring.peak * layers["LCO"] * part * state.amount[family]
                yield _along(ring, azimuth), height[:, None] * peak(centre, ring.sigma_q)


def _add_grains(flat: np.ndarray, model: MapModel, light: np.ndarray, azimuth, q, peak: Callable) -> None:
    """Add the spots of Li grains, frame by frame."""
    if not len(model.grains) or not (np.abs(model.grains.q - q.mean()) < np.ptp(q)).any():
        return
    where = model.grains.azimuth_at(model.time_s)
    sigma = model.cell.grain_sigma_deg
    width = np.hypot(sigma, (azimuth[1] - azimuth[0]) / np.sqrt(12))
    for frame, grain in zip(*np.nonzero(model.seen > 1e-6), strict=True):
        off = (azimuth - where[frame, grain] + 180) % 360 - 180
        near = np.flatnonzero(np.abs(off) < 6 * width)
        along = np.exp(-0.5 * (off[near] / width) ** 2) * sigma / width
        across = peak(model.grains.q[grain], model.cell.ring_sigma_q)
        height = light[frame] * model.grains.peak[grain] * model.seen[frame, grain]
        flat[frame, near] += (height * np.outer(along, across)).astype(np.float32)
