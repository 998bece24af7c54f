"""The measurement in memory: cubes (y, x, channel) of each state and region, expected and counted, as stored."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import xarray as xr

from . import spectra, structure
from ._kernels import expected_counts
from .cell import CoinCell, State


class Detector(NamedTuple):
    """The pixels (y, x), as stored: gain keV a channel, offset keV, and which are dead or noisy."""

    gain: np.ndarray
    offset: np.ndarray
    dead: np.ndarray
    noisy: np.ndarray


@lru_cache(maxsize=8)
def detector(cell: CoinCell) -> Detector:
    """The pixels of a cell's detector: the same in every state."""
    rng = np.random.default_rng([cell.seed, 7])
    shape = cell.pixels, cell.pixels
    gain = cell.keV_per_channel * (1 + cell.gain_spread * rng.standard_normal(shape))
    offset = cell.offset_spread_keV * rng.standard_normal(shape)
    dead = rng.random(shape) < cell.dead
    return Detector(gain, offset, dead, (rng.random(shape) < cell.noisy) & ~dead)


def angles_deg(cell: CoinCell) -> np.ndarray:
    """(y, x) scattering angle of the place that each stored pixel sees, before any drift. A pinhole inverts."""
    line = structure.lateral_mm(cell)[::-1]
    y, x = np.meshgrid(line, line, indexing="ij")
    axis = np.deg2rad(cell.angle_deg)
    along, up = cell.distance_mm * np.cos(axis) - y, cell.distance_mm * np.sin(axis)
    return np.rad2deg(np.arccos(along / np.sqrt(x**2 + along**2 + up**2)))


@lru_cache(maxsize=64)
def amounts(cell: CoinCell, state: State, region: int) -> np.ndarray:
    """(scatterer, y, x) grams in the beam times light, through the pinhole (upright): host, li, separator, anode.

    The unit is such that times flux (1/s), and the tables of `spectra`, it is counts a second and keV.
    """
    fine = structure.fractions(cell)[region] * structure.transmissions(cell)
    density = np.array(structure.densities(cell))[:, None, None]
    side = cell.pitch_mm / structure.OVERSAMPLE / 10
    grams = fine * density * cell.sheet_um * 1e-4 * side**2
    li = grams[0] * np.nan_to_num(structure.li_content(cell, state, structure.OVERSAMPLE))
    seen = np.stack([_through_pinhole(cell, m) for m in (grams[0], li, grams[1], grams[2])])
    line = structure.lateral_mm(cell)
    slant = 1 / np.sqrt(1 + (line[:, None] ** 2 + line[None, :] ** 2) / cell.distance_mm**2)
    solid = np.pi * (cell.pinhole_mm / 2 / cell.distance_mm) ** 2 * slant**3
    return seen * solid * 100.0  # 1/cm2 to 1/mm2 of flux


def _through_pinhole(cell: CoinCell, fine: np.ndarray) -> np.ndarray:
    """Blur by the pinhole's disc, twice its width at 1:1, and sum over pixels."""
    from scipy.signal import fftconvolve

    reach = int(np.ceil(cell.pinhole_mm / (cell.pitch_mm / structure.OVERSAMPLE)))
    place = np.arange(-reach, reach + 1) * cell.pitch_mm / structure.OVERSAMPLE
    disc = (place[:, None] ** 2 + place[None, :] ** 2 <= cell.pinhole_mm**2).astype(float)
    blurred = fftconvolve(fine, disc / disc.sum(), "same")
    number = structure.OVERSAMPLE
    return np.maximum(blurred.reshape(cell.pixels, number, cell.pixels, number).sum((1, 3)), 0.0)


def flux(cell: CoinCell, state: State, region: int) -> float:
    """Photons a second and mm2 during an exposure; the beam decays slowly."""
    place = (cell.states.index(state) * 3 + region) / max(3 * len(cell.states) - 1, 1)
    return cell.flux_per_s_mm2 * (1 - cell.beam_loss * place)


def expected(cell: CoinCell, state: State, region: int) -> np.ndarray:
    """(y, x, channel) float64 expected counts of one exposure, dead and noisy pixels not yet made."""
    from scipy.ndimage import gaussian_filter

    angles, u, table = spectra.tables(cell)
    light = flux(cell, state, region) * cell.exposure_s
    scattered = amounts(cell, state, region)[:, ::-1, ::-1] * light
    middle = len(angles) // 2
    rates = table[:-1, middle, -1]
    once = np.tensordot(rates, scattered, 1)
    twice = cell.multiple * gaussian_filter(once, 2.0 / cell.pitch_mm) / table[-1, middle, -1]
    theta = (angles_deg(cell) + state.angle_deg).ravel()
    place = (theta - angles[0]) / spectra.ANGLE_STEP_DEG
    node = np.clip(place.astype(int), 0, len(angles) - 2)
    pixels = detector(cell)
    still = np.full(theta.size, once.mean())
    out = np.empty((theta.size, cell.channels))
    expected_counts(
        np.concatenate([scattered.reshape(4, -1), twice.reshape(1, -1)]), node, place - node,
        spectra.peak_keV(cell, theta), pixels.gain.ravel() * (1 + state.scale), pixels.offset.ravel(), table, u[0],
        spectra.STEP_KEV, spectra.still_spectrum(cell), still, spectra.ENERGY[0] + spectra.STEP_KEV / 2, out,
    )  # fmt: skip
    out += cell.dark_per_keV_h * cell.keV_per_channel * cell.exposure_s / 3600
    return out.reshape(cell.pixels, cell.pixels, cell.channels)


def coin_cell_cube(cell: CoinCell, state: int, region: int, seed: int | None = None) -> xr.Dataset:
    """One exposure as it is stored: `counts` (y, x, channel) uint32, with nominal energies and what the file says.

    state, region   from 0; regions 0, 1, 2 are the paper's 1, 2, 3
    seed            of the photons; left out: of the cell
    """
    which = cell.states[state]
    rng = np.random.default_rng([cell.seed if seed is None else seed, 11, state, region])
    pixels = detector(cell)
    mean = expected(cell, which, region)
    noise = np.where(pixels.noisy, 30 * mean.mean(), 0.0)[..., None]
    mean = (mean + noise / (1 + np.arange(cell.channels) / 50)) * ~pixels.dead[..., None]
    counts = rng.poisson(mean).astype(np.uint32)
    energy = (np.arange(cell.channels) + 0.5) * cell.keV_per_channel
    return _labelled(cell, which, region, counts, ("y", "x", "channel"), energy)


def summed_spectra(cell: CoinCell, seed: int | None = None) -> xr.Dataset:
    """All exposures at once, ideal pixels summed along x: `counts` (state, region, y, channel). Quick, for many seeds.

    Every pixel has the nominal gain but for the drift; along x the scattering angle changes by less than 0.05 degrees.
    """
    rng = np.random.default_rng([cell.seed if seed is None else seed, 13])
    counts = rng.poisson(_summed_mean(cell))
    energy = (np.arange(cell.channels) + 0.5) * cell.keV_per_channel
    data = _labelled(cell, cell.states[0], 0, counts, ("state", "region", "y", "channel"), energy)
    data["flux"] = (
        ("state", "region"), [[flux(cell, s, r) for r in range(3)] for s in cell.states], {"units": "1/(s mm2)"}
    )  # fmt: skip
    return data.assign_coords(state=[s.name for s in cell.states], angle=("y", angles_deg(cell).mean(1)))


@lru_cache(maxsize=4)
def _summed_mean(cell: CoinCell) -> np.ndarray:
    from dataclasses import replace

    ideal = replace(cell, gain_spread=0.0, offset_spread_keV=0.0)
    return np.array([[expected(ideal, s, r).sum(1) for r in range(3)] for s in cell.states])


def _labelled(cell: CoinCell, state: State, region: int, counts, dims, energy) -> xr.Dataset:
    attrs = {
        "state": state.name, "region": region + 1, "exposure_s": cell.exposure_s,
        "monitor": flux(cell, state, region) * cell.exposure_s,
    }  # fmt: skip
    data = xr.Dataset({"counts": (dims, counts, {"units": "counts", "long_name": "photons"})}, attrs=attrs)
    return data.assign_coords(
        energy=("channel", energy, {"units": "keV", "long_name": "nominal energy, middle of the channel"})
    )
