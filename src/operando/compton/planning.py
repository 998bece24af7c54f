"""Before the experiment: how well x will be known for a flux, a thickness and a time, and how long a wanted
error takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..core.errors import InputError
from .components import fit_components
from .geometry import Pinhole
from .kinematics import momentum_slope, scattered_energy, scattering_weight
from .profile import Momenta, momentum_resolution
from .ratio import Windows
from .theory import FWHM_PER_SIGMA, atomic_profile, efficiency, molar_mass

AVOGADRO = 6.02214076e23


@dataclass(frozen=True)
class Plan:
    """A measurement of x in one layer, by three heights of the sheet, in one pixel.

    flux_per_s_mm2          of the beam at the sample
    cathode_um              thickness of the cathode; the sheet of region 1 begins at its bottom
    separator_um, clear_um  separator, and how far above the cathode's top region 2 begins
    transmission            of beam and photons together, for each component: cathode, separator, anode
    x                       content at which the error is asked
    multiple                photons scattered twice for each scattered once, taken as flat over the window
    """

    pinhole: Pinhole
    flux_per_s_mm2: float
    cathode_um: float = 65.0
    separator_um: float = 30.0
    sheet_um: float = 250.0
    clear_um: float = 0.0
    host: str = "Ni0.6Mn0.2Co0.2O2"
    separator: str = "C32H60O19LiF6NS2"
    densities: tuple[float, float, float] = (2.97, 1.25, 0.534)
    transmission: tuple[float, float, float] = (1.0, 1.0, 1.0)
    x: float = 0.6
    resolution_keV: float = 0.8
    sensor_mm: float = 2.0
    polarisation: float = 0.95
    multiple: float = 0.0
    windows: Windows = field(default_factory=Windows)
    momenta: Momenta = field(default_factory=lambda: Momenta(6.0, 0.1))

    def __post_init__(self) -> None:
        if min(self.flux_per_s_mm2, self.cathode_um, self.sheet_um) <= 0:
            raise InputError("flux, thickness and sheet must be positive", where="Plan")
        if self.pinhole.distance_mm is None:
            raise InputError(
                "the distance of the pinhole is not known", where="Plan", fix="Give Pinhole(distance_mm=...)."
            )
        if self.cathode_um + self.separator_um >= self.sheet_um:
            raise InputError("the sheet must be higher than cathode and separator together", where="Plan")

    @property
    def fractions(self) -> tuple[float, float, float]:
        """alpha, beta, gamma of the three heights."""
        separator2 = self.separator_um - self.clear_um
        alpha = 1 - max(separator2, 0.0) / self.sheet_um
        beta = 1 - (self.cathode_um + self.separator_um) / self.sheet_um
        gamma = self.separator_um / separator2 if separator2 > 0 else 1.0
        return alpha, beta, gamma


def expected_counts(plan: Plan, exposure_s: float, x: float | None = None) -> dict[str, np.ndarray]:
    """Expected counts (p_z,) of one pixel on the axis in an exposure: host, li (of x), separator and anode of a
    full sheet, and `regions` (3, p_z) with all of them.
    """
    pin, x = plan.pinhole, plan.x if x is None else x
    shape = _per_electron(plan)
    place = pin.pitch_mm / pin.magnification / 10
    solid = np.pi * (pin.pinhole_mm / 2) ** 2 / (pin.distance_mm or np.nan) ** 2
    light = (
        plan.flux_per_s_mm2 * 100 * exposure_s * solid * place**2 * 1e-4
    )  # photons sr cm3 a um of height and cm2
    density = plan.densities
    of_cathode = light * plan.transmission[0] * density[0] * AVOGADRO / molar_mass(f"Li{plan.host}")
    of_separator = light * plan.transmission[1] * density[1] * AVOGADRO / molar_mass(plan.separator)
    of_anode = light * plan.transmission[2] * density[2] * AVOGADRO / molar_mass("Li")
    host = plan.cathode_um * of_cathode * shape(plan.host)
    li = plan.cathode_um * of_cathode * shape("Li")
    separator = plan.sheet_um * of_separator * shape(plan.separator)
    anode = plan.sheet_um * of_anode * shape("Li")
    alpha, beta, gamma = plan.fractions
    filled = plan.separator_um / plan.sheet_um
    regions = np.stack([
        host + x * li + filled * separator + beta * anode, filled / gamma * separator + alpha * anode, anode,
    ])  # fmt: skip
    flat = (
        plan.multiple
        * regions.sum(1, keepdims=True)
        / (2 * plan.momenta.reach)
        * plan.momenta.step
        * _flatness(plan)
    )
    return {"host": host, "li": li, "separator": separator, "anode": anode, "regions": regions + flat}


def _flatness(plan: Plan) -> float:
    """Share of twice-scattered photons within the window of p_z: they are spread over about 30 keV."""
    ends = scattered_energy(
        plan.pinhole.energy_keV, np.array([-1, 1]) * plan.momenta.reach, plan.pinhole.angle_deg
    )
    return float(min((ends[1] - ends[0]) / 30.0, 1.0))


def _per_electron(plan: Plan):
    """Function formula -> counts a bin of p_z, for one formula unit, one photon a cm2 and a steradian."""
    pin, p = plan.pinhole, plan.momenta.middles
    energy = scattered_energy(pin.energy_keV, p, pin.angle_deg)
    weight = scattering_weight(pin.energy_keV, energy, pin.angle_deg, plan.polarisation)
    weight = (
        weight / momentum_slope(pin.energy_keV, energy, pin.angle_deg) * efficiency(energy, plan.sensor_mm)
    )
    blur = momentum_resolution(pin, plan.resolution_keV)
    wide = float(np.hypot(blur, plan.momenta.step * FWHM_PER_SIGMA / np.sqrt(12)))
    return lambda formula: atomic_profile(formula, p, wide) * weight * plan.momenta.step


def expected_error(plan: Plan, exposure_s: float, *, pixels: int = 1) -> dict[str, float]:
    """Expected 1-sigma error of x from photons, for `exposure_s` at each of the three heights, summed over `pixels`.

    Returns `x_err_emr`, `x_err_fit` (from two windows, from the whole profile), `emr`, `emr_err`, `slope` (dEMR/dx),
    `slow`, `fast` (counts of the cathode in the windows), `counts` (all of region 1). Calibration errors are not in it.
    """
    import xarray as xr

    expected = {k: pixels * v for k, v in expected_counts(plan, exposure_s).items()}
    alpha, beta, gamma = plan.fractions
    rest = gamma * alpha - beta
    regions = expected["regions"]
    signal = regions[0] - gamma * regions[1] + rest * regions[2]
    noise = regions[0] + gamma**2 * regions[1] + rest**2 * regions[2]
    p = plan.momenta.middles
    slow, fast = plan.windows.shares(p, plan.momenta.step)
    n1, n2 = float(signal @ slow), float(signal @ fast)
    emr = n1 / n2
    error = float(np.sqrt(noise @ slow**2 + emr**2 * (noise @ fast**2))) / n2
    slope = float(expected["li"] @ slow - emr * (expected["li"] @ fast)) / n2
    part = xr.Dataset({"counts": ("p_z", signal), "variance": ("p_z", noise)}, {"p_z": p})
    templates = {"Li": expected["li"], "host": expected["host"]}
    fit = fit_components(part, templates, reach=min(5.0, plan.momenta.reach), significance=0.0)
    bent = float(fit["ratio"]) - plan.x
    by_fit = float(fit["ratio_err"]) / _fit_slope(plan, exposure_s, templates, bent, pixels)
    return {
        "x_err_emr": error / abs(slope), "x_err_fit": by_fit, "emr": emr, "emr_err": error, "slope": slope, "slow": n1,
        "fast": n2, "counts": float(regions[0].sum()),
    }  # fmt: skip


def _fit_slope(plan: Plan, exposure_s: float, templates, bent: float, pixels: int) -> float:
    """Change of the fitted ratio with x: one without a background, less with it."""
    import xarray as xr

    step = 0.2
    moved = {k: pixels * v for k, v in expected_counts(plan, exposure_s, plan.x + step).items()}["regions"]
    alpha, beta, gamma = plan.fractions
    rest = gamma * alpha - beta
    signal = moved[0] - gamma * moved[1] + rest * moved[2]
    noise = moved[0] + gamma**2 * moved[1] + rest**2 * moved[2]
    part = xr.Dataset({"counts": ("p_z", signal), "variance": ("p_z", noise)}, {"p_z": plan.momenta.middles})
    fit = fit_components(part, templates, reach=min(5.0, plan.momenta.reach), significance=0.0)
    return (float(fit["ratio"]) - plan.x - step - bent) / step + 1


def exposure_for(plan: Plan, x_err: float, *, pixels: int = 1, estimator: str = "fit") -> float:
    """Exposure (s, at each height) after which photons alone give an error `x_err` of x: error falls as 1 / sqrt(t).

    estimator  "fit" or "emr"
    """
    if x_err <= 0 or estimator not in ("fit", "emr"):
        raise InputError("a positive error, and fit or emr, are needed", where="exposure_for")
    once = expected_error(plan, 1.0, pixels=pixels)[f"x_err_{estimator}"]
    return float((once / x_err) ** 2)


def error_map(
    plan: Plan, exposure_s: float, *, cathode: np.ndarray, transmission: np.ndarray, block: int = 1
) -> np.ndarray:
    """Expected error of x (by fit) in every pixel or block: (y, x), NaN where there is no cathode.

    cathode, transmission  (y, x) share of the pixel that is cathode, and light there relative to the plan's

    The cathode's signal goes with share x transmission, its noise mostly with what else is in the sheet.
    """
    seen = np.asarray(cathode, float) * transmission
    rows, columns = (n - n % block for n in seen.shape)
    signal = seen[:rows, :columns].reshape(rows // block, block, columns // block, block).sum((1, 3))
    light = np.unique(np.round(signal[signal > 0], 2))
    light = light[light > 0]
    errors = []
    for value in light:
        share = value / block**2
        scaled = (plan.transmission[0] * share, *plan.transmission[1:])
        errors.append(
            expected_error(replace(plan, transmission=scaled), exposure_s, pixels=block**2)["x_err_fit"]
        )
    if not errors:
        return np.full(signal.shape, np.nan)
    return np.where(signal > 0, np.interp(signal, light, errors), np.nan)
