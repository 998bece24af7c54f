"""Multiple scattering: a Monte Carlo estimate of photons that turn twice, and its subtraction."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.errors import InputError
from .geometry import Pinhole
from .kinematics import CLASSICAL_RADIUS2_CM2, scattered_energy


def double_scattering(
    electrons_per_cm3: np.ndarray, mu_per_cm: np.ndarray, voxel_um: tuple[float, float, float], pinhole: Pinhole,
    rng: np.random.Generator, *, lit: np.ndarray | None = None, photons: int = 100_000, blur_keV: float = 1.0,
    energy_keV: np.ndarray | None = None,
) -> xr.Dataset:  # fmt: skip
    """Photons scattered twice, for each scattered once, and their spectrum.

        ratio = < 4 pi L n_e(2) s(E1, t1) s(E12, t2) / s(E1, t) exp(-losses) >

    over first turns where the beam is, even directions, and even places along the way L out of the volume; s is the
    Klein-Nishina cross-section of electrons at rest, without polarisation.

    electrons_per_cm3, mu_per_cm   (z, y, x); mu at about the mean energy of the scattered photons; the beam is along y
    voxel_um                       (z, y, x)
    lit                            (z, y, x) how much beam a voxel gets (times its electrons: how many first
                                   turns); left out: all alike
    blur_keV                       1-sigma width of the spectrum's blur by the momenta of the electrons

    Returns `fraction`, `fraction_err` (of the sampling), and over `energy` the `spectrum` (1/keV, its area is
    the fraction). What is left out: three turns, elastic turns, polarisation, and everything outside the volume
    (lid, holder). Its place in the image is taken as that of single scattering, although it is wider.
    """
    from ._multiple_kernels import second_turns

    if electrons_per_cm3.shape != mu_per_cm.shape or electrons_per_cm3.ndim != 3:
        raise InputError("electrons and attenuation must be volumes of one shape", where="double_scattering")
    chance = np.maximum(electrons_per_cm3 * (1.0 if lit is None else lit), 0).ravel().astype(float)
    if chance.sum() <= 0:
        raise InputError(
            "no electron is in the beam", where="double_scattering", fix="Check the sheet's heights."
        )
    cells = rng.choice(chance.size, photons, p=chance / chance.sum())
    starts = np.stack(np.unravel_index(cells, electrons_per_cm3.shape), axis=1)
    voxel = np.array(voxel_um, float) * 1e-4
    angle = np.deg2rad(pinhole.angle_deg)
    energy, weight = np.empty(photons), np.empty(photons)
    second_turns(
        electrons_per_cm3 * (CLASSICAL_RADIUS2_CM2 / 2), np.ascontiguousarray(mu_per_cm, float), voxel, starts,
        rng.random((photons, 6)), pinhole.energy_keV, np.array([np.sin(angle), np.cos(angle), 0.0]),
        float(np.median(voxel)), energy, weight,
    )  # fmt: skip
    grid = (
        np.arange(40.0, pinhole.energy_keV + 5, 0.25) if energy_keV is None else np.asarray(energy_keV, float)
    )
    step = float(grid[1] - grid[0])
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    moved = energy + blur_keV * rng.standard_normal(photons)
    spectrum = np.histogram(moved, edges, weights=weight / photons / step)[0]
    data = {
        "spectrum": ("energy", spectrum, {"units": "1/keV", "long_name": "scattered twice, for each scattered once"}),
        "fraction": ((), float(weight.mean()), {"units": "1"}),
        "fraction_err": ((), float(weight.std() / np.sqrt(photons)), {"units": "1"}),
    }  # fmt: skip
    return xr.Dataset(data, {"energy": ("energy", grid, {"units": "keV"})})


def multiple_background(
    counts: xr.DataArray, twice: xr.Dataset, pinhole: Pinhole, *, inside: float = 0.93
) -> xr.DataArray:
    """Counts a bin of p_z that twice-scattered photons give, for counts (..., p_z) that hold them.

    twice   of `double_scattering`
    inside  share of single scattering that the window of p_z holds (free atoms of NMC622 within 6 a.u.: 0.93)

    With N counts in the window, N = S inside + S b, b being the background's share in it: S = N / (inside + b).
    Subtract the result from the counts; the variance stays that of the counts.
    """
    p = counts["p_z"].values
    step = float(p[1] - p[0])
    energy = scattered_energy(pinhole.energy_keV, p, pinhole.angle_deg)
    per_keV = np.interp(
        energy, twice["energy"].values, _smoothed(twice["spectrum"].values), left=0.0, right=0.0
    )
    low = scattered_energy(pinhole.energy_keV, p - step / 2, pinhole.angle_deg)
    high = scattered_energy(pinhole.energy_keV, p + step / 2, pinhole.angle_deg)
    shape = xr.DataArray(per_keV * (high - low), dims=("p_z",), coords={"p_z": counts["p_z"]})
    single = counts.sum("p_z", skipna=False) / (inside + float(shape.sum()))
    return (single * shape).transpose(*counts.dims).assign_attrs(
        units="counts", long_name="photons scattered twice", step=step
    )  # fmt: skip


def _smoothed(spectrum: np.ndarray) -> np.ndarray:
    """Mean over nine bins: the background is smooth, its Monte Carlo noise is not."""
    return np.convolve(np.pad(spectrum, 4, "edge"), np.ones(9) / 9, "valid")


def flat_background(counts_above: float, keV_above: float, momenta, pinhole: Pinhole) -> np.ndarray:
    """Counts a bin of p_z of a constant background (noise), from what lies above the elastic line.

    counts_above, keV_above   counts and width of a window above the beam's energy, where no photon can be
    """
    if keV_above <= 0:
        raise InputError("the window above the elastic line is empty", where="flat_background")
    edges = np.append(momenta.middles - momenta.step / 2, momenta.middles[-1] + momenta.step / 2)
    return np.diff(scattered_energy(pinhole.energy_keV, edges, pinhole.angle_deg)) * counts_above / keV_above
