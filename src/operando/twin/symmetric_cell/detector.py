"""What the camera counts: structured beam that drifts, gains that change, darks, noise, zingers, dead columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cell import SymmetricCell
from .protocol import scan_start_s
from .rays import nominal_theta_deg, transmission

TOP_COUNT = 65535
BANDS = 6  # waves that make up the bands of the beam
SPOTS_PER_MPX = 300.0  # dust on the scintillator
KINDS = {"dark": 0, "flat_before": 1, "data": 2, "flat_after": 3}


@dataclass(frozen=True)
class Exposures:
    """The images of one scan, rows as stored.

    data (projections, rows, columns), flats (2 * flats, ...), darks (darks, ...): uint16
    theta_deg (projections,), times_s (frames,): s since the start of the first scan, of darks, flats, data, flats
    """

    data: np.ndarray
    flats: np.ndarray
    darks: np.ndarray
    theta_deg: np.ndarray
    times_s: np.ndarray


def projections(cell: SymmetricCell, scan: int, rows: tuple[int, int] | None = None) -> Exposures:
    """All images of one scan, or of some rows of it (counted along z, given along z).

    Counts are counts_per_photon * Poisson(photons * beam * gain * transmission) + dark + read noise. The noise of a
    row depends on seed, scan and row only. Raises `InputError` for a block: it has no outside.
    """
    from operando.core.errors import InputError

    if cell.diameter_um is None:
        raise InputError("a block has no projections", where="projections", fix="Set diameter_um.")
    rows = (0, cell.height) if rows is None else rows
    light = transmission(cell, scan, rows)
    images = {kind: _count(cell, scan, kind, rows, light) for kind in KINDS}
    return Exposures(
        images["data"], np.concatenate([images["flat_before"], images["flat_after"]]), images["dark"],
        nominal_theta_deg(cell), scan_start_s(cell)[scan] + (np.arange(cell.frames) + 0.5) * cell.exposure_s,
    )  # fmt: skip


def frame_numbers(cell: SymmetricCell, kind: str) -> np.ndarray:
    """Place of the frames of one kind in the scan."""
    counts = [cell.darks, cell.flats, cell.projections, cell.flats]
    begin = sum(counts[: KINDS[kind]])
    return np.arange(begin, begin + counts[KINDS[kind]])


def _count(cell: SymmetricCell, scan: int, kind: str, rows: tuple[int, int], light: np.ndarray) -> np.ndarray:
    numbers = frame_numbers(cell, kind)
    gain = pixel_gain(cell)
    if kind == "data":
        gain = gain * ring_gain(cell, scan)
    out = np.empty((len(numbers), rows[1] - rows[0], cell.columns), np.uint16)
    for k, row in enumerate(range(*rows)):
        rng = np.random.default_rng([cell.seed, 41, scan, KINDS[kind], row])
        counts = cell.dark_counts + cell.read_noise_counts * rng.standard_normal((len(numbers), cell.columns))
        if kind != "dark":
            mean = cell.photons * beam(cell, scan, numbers, row) * gain[row]
            counts += cell.counts_per_photon * rng.poisson(mean * light[:, k] if kind == "data" else mean)
        out[:, k] = np.clip(np.rint(counts), 0, TOP_COUNT)
    _zingers(cell, scan, numbers, rows, out)
    out[..., list(cell.dead_columns)] = 0
    return out


def beam(cell: SymmetricCell, scan: int, frames: np.ndarray, row: int) -> np.ndarray:
    """(frames, columns) incoming intensity on one row, mean about 1: horizontal bands that drift, slow loss."""
    rng = np.random.default_rng([cell.seed, 43])
    period = cell.height / rng.uniform(0.5, 8.0, BANDS)
    phase, tilt = rng.uniform(0, 2 * np.pi, BANDS), rng.uniform(-0.5, 0.5, BANDS)
    share = frames / max(cell.frames - 1, 1)
    place = row - cell.beam_drift_px * share[:, None, None]
    column = np.arange(cell.columns)[None, :, None]
    waves = np.cos(2 * np.pi * (place + tilt * column * 0.2) / period + phase).sum(-1) / np.sqrt(BANDS / 2)
    slow = 1 - 0.5 * cell.flat_structure * (column[..., 0] / cell.columns - 0.5) ** 2 * 4
    return np.maximum(slow * (1 + cell.flat_structure * 0.6 * waves), 0.05) * (
        1 - cell.beam_loss * share[:, None]
    )


def pixel_gain(cell: SymmetricCell) -> np.ndarray:
    """(rows, columns) fixed response of the pixels, mean about 1: scatter and dust."""
    rng = np.random.default_rng([cell.seed, 47])
    shape = (cell.height, cell.columns)
    gain = 1 + 0.1 * cell.flat_structure * rng.standard_normal(shape)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for _ in range(int(np.ceil(SPOTS_PER_MPX * gain.size / 1e6))):
        z, x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        sigma, depth = rng.uniform(1, 3), rng.uniform(0.3, 1.0)
        near = np.s_[max(int(z) - 12, 0) : int(z) + 13, max(int(x) - 12, 0) : int(x) + 13]
        distance = (rows[near[0]] - z) ** 2 + (columns[:, near[1]] - x) ** 2
        gain[near] *= 1 - cell.flat_structure * depth * np.exp(-distance / (2 * sigma**2))
    return np.maximum(gain, 0.1)


def ring_gain(cell: SymmetricCell, scan: int) -> np.ndarray:
    """(rows, columns) response in projections over that in flats: whole columns and single pixels, half each."""
    rng = np.random.default_rng([cell.seed, 53, scan])
    whole = rng.random(cell.columns) < cell.ring_share / 2
    single = rng.random((cell.height, cell.columns)) < cell.ring_share / 2
    change = np.where(whole, rng.standard_normal(cell.columns), 0.0)
    change = change + np.where(single, rng.standard_normal(single.shape), 0.0)
    return 1 + cell.ring_gain * change


def _zingers(
    cell: SymmetricCell, scan: int, numbers: np.ndarray, rows: tuple[int, int], out: np.ndarray
) -> None:
    """Pixels hit by a stray photon, saturated, by frame."""
    for k, number in enumerate(numbers):
        rng = np.random.default_rng([cell.seed, 59, scan, int(number)])
        for _ in range(rng.poisson(cell.zingers_per_frame)):
            row, column = int(rng.integers(cell.height)), int(rng.integers(cell.columns))
            if rows[0] <= row < rows[1]:
                out[k, row - rows[0], column] = TOP_COUNT
