"""Energy scale of every pixel from fluorescence lines, with errors, and how it drifts from exposure to exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from .lines import LineRegion
from .theory import FWHM_PER_SIGMA


@dataclass(frozen=True)
class EnergyCheck:
    """Limits of a calibration.

    resolution_keV  FWHM of the detector at the lines
    reach_keV       how far a line may be from its nominal place
    significance    a region counts when its lines stand out by this many sigma
    regions         how many regions must count: two give gain and offset, three also a check
    """

    resolution_keV: float = 0.8
    reach_keV: float = 1.5
    significance: float = 6.0
    regions: int = 2


def find_lines(
    counts: np.ndarray,
    energy_keV: np.ndarray,
    regions: tuple[LineRegion, ...],
    check: EnergyCheck | None = None,
) -> xr.Dataset:
    """Shift of the lines of each region in each spectrum against a nominal energy scale.

    counts      (spectrum, channel)
    energy_keV  (channel,) nominal energy of the middle of each channel, ascending and even

    Returns over (spectrum, region): `shift`, `shift_err` (keV, measured minus nominal), `significance`, `chi2`, `flag`
    (NO_DATA where a region is outside the spectrum, TOO_FEW_COUNTS, NOT_CONVERGED), and `line_energy` over region.
    """
    from ._line_kernels import EMPTY, FOUND, line_shifts

    check = check or EnergyCheck()
    found = np.full((len(regions), len(counts), 5), np.nan)
    found[..., 4] = EMPTY
    width = float(energy_keV[1] - energy_keV[0])
    reach = check.reach_keV
    sigma = float(np.hypot(check.resolution_keV / FWHM_PER_SIGMA, width / np.sqrt(12)))  # channels blur too
    starts = max(3, 2 * int(np.ceil(reach / (0.6 * max(check.resolution_keV, width)))) + 1)
    outside = np.zeros(len(regions), bool)
    for r, region in enumerate(regions):
        window = (energy_keV > region.low_keV) & (energy_keV < region.high_keV)
        outside[r] = energy_keV[0] > region.low_keV or energy_keV[-1] < region.high_keV
        if outside[r]:
            continue
        lines, shares, group = _arrays(region)
        line_shifts(
            np.ascontiguousarray(counts[:, window]), energy_keV[window], width, lines, shares, group,
            len(region.groups), sigma, reach, starts, found[r],
        )  # fmt: skip
    few = ~outside[:, None] & ((found[..., 4] == EMPTY) | (found[..., 2] < check.significance))
    lost = ~outside[:, None] & ~few & (found[..., 4] != FOUND)
    flag = np.where(outside[:, None], int(Flag.NO_DATA), 0) | np.where(few, int(Flag.TOO_FEW_COUNTS), 0)
    flag = (flag | np.where(lost, int(Flag.NOT_CONVERGED), 0)).T
    values = np.where(flag[..., None] == 0, found.transpose(1, 0, 2), np.nan)
    dims = ("spectrum", "region")
    data = {
        "shift": (dims, values[..., 0], {"units": "keV", "long_name": "measured minus nominal energy"}),
        "shift_err": (dims, values[..., 1], {"units": "keV"}),
        "significance": (dims, found[..., 2].T, {"units": "1", "long_name": "of the lines, sigma"}),
        "chi2": (dims, values[..., 3], {"units": "1", "long_name": "chi2 a degree of freedom"}),
        "flag": flag_variable(flag, dims),
        "line_energy": ("region", np.array([_middle(r) for r in regions]), {"units": "keV"}),
    }
    return xr.Dataset(data, {"region": [r.name for r in regions]})


def _arrays(region: LineRegion) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [
        (e, s, g) for g, group in enumerate(region.groups) for e, s in zip(group.energies, group.shares, strict=True)
    ]  # fmt: skip
    lines, shares, group = np.array(rows).T
    return np.ascontiguousarray(lines), np.ascontiguousarray(shares), group.astype(np.int64)


def _middle(region: LineRegion) -> float:
    """Where the shift of a region is measured: the mean of its main lines."""
    return float(
        np.mean([g.mean_keV for g in region.groups if g.name.endswith("a")] or [region.groups[0].mean_keV])
    )


def fit_scale(lines: xr.Dataset, check: EnergyCheck | None = None) -> xr.Dataset:
    """True energy as a straight line of nominal energy, from the shifts of `find_lines`.

    E_true = E_nominal - shift(E_nominal),  shift = d0 + d1 (E - E_ref), weighted least squares.

    Returns over spectrum: `offset` (d0 at E_ref, keV), `slope` (d1), `offset_err`, `slope_err`, `covariance`, `chi2` (a
    degree of freedom; NaN with two regions), `used` (regions), `flag`. attrs: `reference_keV`. Where fewer regions than
    `check.regions` count, all is NaN and flagged TOO_FEW_COUNTS.
    """
    check = check or EnergyCheck()
    shift, error = lines["shift"].values, lines["shift_err"].values
    use = np.isfinite(shift) & np.isfinite(error) & (error > 0)
    weight = np.where(use, 1 / np.where(use, error, 1.0) ** 2, 0.0)
    nominal = lines["line_energy"].values[None, :] + np.where(use, shift, 0.0)
    reference = float(lines["line_energy"].mean())
    t = nominal - reference
    s0, s1, s2 = weight.sum(1), (weight * t).sum(1), (weight * t**2).sum(1)
    y0, y1 = np.where(use, weight * shift, 0).sum(1), np.where(use, weight * shift * t, 0).sum(1)
    enough = use.sum(1) >= max(check.regions, 2)
    det = np.where(enough, s0 * s2 - s1**2, np.nan)
    offset, slope = (s2 * y0 - s1 * y1) / det, (s0 * y1 - s1 * y0) / det
    residual = np.where(use, shift - offset[:, None] - slope[:, None] * t, 0.0)
    freedom = use.sum(1) - 2
    chi2 = np.where(freedom > 0, (weight * residual**2).sum(1) / np.maximum(freedom, 1), np.nan)
    names = {
        "offset": (offset, "keV"), "slope": (slope, "1"), "offset_err": (np.sqrt(s2 / det), "keV"),
        "slope_err": (np.sqrt(s0 / det), "1"), "covariance": (-s1 / det, "keV"), "chi2": (chi2, "1"),
        "used": (use.sum(1), "1"),
    }  # fmt: skip
    data: dict = {name: ("spectrum", values, {"units": units}) for name, (values, units) in names.items()}
    data["flag"] = flag_variable(np.where(enough, 0, int(Flag.TOO_FEW_COUNTS)), ("spectrum",))
    return xr.Dataset(data, attrs={"reference_keV": reference})


def calibrate_energy(
    counts: xr.DataArray,
    energy_keV: np.ndarray,
    regions: tuple[LineRegion, ...],
    check: EnergyCheck | None = None,
) -> xr.Dataset:
    """Gain and offset of every pixel from the lines of sensor and shielding.

    counts      (y, x, channel): the sum over all exposures, so that lines have counts enough
    energy_keV  (channel,) nominal energy of the middle of each channel

    Returns over (y, x): `gain` (keV a channel), `lower` (true energy of the lower edge of channel 0), each with `_err`,
    `energy_err` (1-sigma error at 94 keV), `chi2`, `flag`. Pixels whose lines are missing are NaN and flagged.
    Raises `InputError` when no pixel has its lines.
    """
    shape = counts.shape[:2]
    flat = np.asarray(counts.values).reshape(-1, counts.shape[2])
    scale = fit_scale(find_lines(flat, energy_keV, regions, check), check)
    if not (scale["flag"] == 0).any():
        raise InputError(
            "the calibration lines are missing in every pixel", where="calibrate_energy",
            fix=f"Expected {'; '.join(r.name for r in regions)}: check the nominal energies, or name other lines.",
        )  # fmt: skip
    width = float(energy_keV[1] - energy_keV[0])
    edge = float(energy_keV[0]) - width / 2
    reference = scale.attrs["reference_keV"]
    d0, d1 = scale["offset"].values, scale["slope"].values
    values = {
        "gain": (width * (1 - d1), width * scale["slope_err"].values, "keV"),
        "lower": (edge - d0 - d1 * (edge - reference), _line_error(scale, edge - reference), "keV"),
    }
    data: dict = {}
    for name, (value, error, units) in values.items():
        data[name] = (("y", "x"), value.reshape(shape), {"units": units})
        data[f"{name}_err"] = (("y", "x"), error.reshape(shape), {"units": units})
    data["energy_err"] = (("y", "x"), _line_error(scale, 94.0 - reference).reshape(shape), {"units": "keV"})
    data["chi2"] = (("y", "x"), scale["chi2"].values.reshape(shape), {"units": "1"})
    data["flag"] = flag_variable(scale["flag"].values.reshape(shape), ("y", "x"))
    return xr.Dataset(data, attrs={"reference_keV": reference})


def _line_error(scale: xr.Dataset, at: float) -> np.ndarray:
    variance = scale["offset_err"] ** 2 + at**2 * scale["slope_err"] ** 2 + 2 * at * scale["covariance"]
    return np.sqrt(np.maximum(variance.values, 0))


def nominal_calibration(shape: tuple[int, int], energy_keV: np.ndarray) -> xr.Dataset:
    """The nominal energy scale for every pixel, as `calibrate_energy` gives it; errors are NaN: nobody
    measured them.
    """
    width = float(energy_keV[1] - energy_keV[0])
    data: dict = {}
    for name, value in (("gain", width), ("lower", float(energy_keV[0]) - width / 2)):
        data[name] = (("y", "x"), np.full(shape, value), {"units": "keV"})
        data[f"{name}_err"] = (("y", "x"), np.full(shape, np.nan), {"units": "keV"})
    data["flag"] = flag_variable(np.zeros(shape, int), ("y", "x"))
    return xr.Dataset(data)
