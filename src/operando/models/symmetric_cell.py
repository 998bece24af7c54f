"""Voltage of a symmetric cell from the contact areas, interphase and electrolyte that images show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.units import FARADAY_C_PER_MOL, GAS_CONSTANT_J_PER_MOL_K

Values = np.ndarray | float


@dataclass(frozen=True)
class SymmetricCell:
    """Facts of the cell. Defaults: Li10SnP2S12 pellet of 1 mm, 2 mm in diameter, 20 degC.

    alpha_anodic stands in the exponential that grows on stripping, alpha_cathodic in the one that grows on plating
    (the tomography paper's text calls them the other way round).
    """

    area_cm2: float = np.pi * 0.1**2
    electrolyte_um: float = 1000.0
    electrolyte_S_per_cm: float = 2.1e-3
    interphase_S_per_cm: float = 1e-5
    exchange_mA_per_cm2: float = 1.0
    alpha_anodic: float = 0.5
    alpha_cathodic: float = 0.5
    temperature_K: float = 293.15

    def __post_init__(self) -> None:
        for name in ("area_cm2", "electrolyte_um", "electrolyte_S_per_cm", "interphase_S_per_cm",
                     "exchange_mA_per_cm2", "alpha_anodic", "alpha_cathodic", "temperature_K"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise InputError(f"{name} = {getattr(self, name)} must be positive", where="SymmetricCell")

    def changed(self, **values: float) -> SymmetricCell:
        """The same cell with other values."""
        return replace(self, **values)


@dataclass(frozen=True, eq=False)
class Interface:
    """One Li | electrolyte interface over time; each value is a number or one for each time.

    contact_cm2            true contact area from the images
    interphase_um          thickness of the interphase
    lithium_fraction       share of the current that Li stripping or plating carries (the rest: redox of the interphase)
    constriction_ohm_cm2   what current constriction adds, per nominal area: `interface_from_maps`; zero leaves it out
    *_err                  1-sigma errors
    """

    contact_cm2: Values
    interphase_um: Values = 0.0
    lithium_fraction: Values = 1.0
    constriction_ohm_cm2: Values = 0.0
    contact_err_cm2: Values = 0.0
    interphase_err_um: Values = 0.0
    constriction_err_ohm_cm2: Values = 0.0

    def fixed(self) -> Interface:
        """The contact of the first time for all times; the interphase still grows."""
        names = ("contact_cm2", "constriction_ohm_cm2", "contact_err_cm2", "constriction_err_ohm_cm2")
        return replace(self, **{name: np.ravel(getattr(self, name))[0] for name in names})

    def scaled(self, share: float) -> Interface:
        """A share of the contact area, constriction as it was (what if contact is over-estimated)."""
        if not share > 0:
            raise InputError("no contact is left: no current can pass", where="Interface.scaled")
        return replace(
            self,
            contact_cm2=np.asarray(self.contact_cm2) * share,
            contact_err_cm2=np.asarray(self.contact_err_cm2) * share,
        )


def overpotential(
    density: Values, exchange: float, alpha_anodic: float = 0.5, alpha_cathodic: float = 0.5,
    temperature_K: float = 298.15,
) -> np.ndarray:  # fmt: skip
    """Overpotential (V) at which i = i0 [exp(a f eta) - exp(-c f eta)], f = F/RT; both currents in the same unit.

    For a = c = 0.5 this is (2RT/F) asinh(i / 2 i0); else Newton's method. Odd in i only for a = c.
    """
    ratio = np.asarray(density, float) / exchange
    thermal = GAS_CONSTANT_J_PER_MOL_K * temperature_K / FARADAY_C_PER_MOL
    if alpha_anodic == alpha_cathodic:
        return thermal * np.arcsinh(ratio / 2) / alpha_anodic
    u = np.arcsinh(ratio / 2) / np.where(ratio > 0, alpha_anodic, alpha_cathodic)
    for _ in range(100):
        up, down = np.exp(alpha_anodic * u), np.exp(-alpha_cathodic * u)
        step = (up - down - ratio) / (alpha_anodic * up + alpha_cathodic * down)
        u = u - step
        if np.all(np.abs(step) <= 1e-13 * (1 + np.abs(u))):
            break
    return thermal * u


def cell_voltage(
    cell: SymmetricCell, time_s: np.ndarray, top: Interface, bottom: Interface, *, current_mA: Values | None = None,
    current_mA_per_cm2: Values | None = None, contact: str = "moving",
) -> xr.Dataset:  # fmt: skip
    """Cell voltage over time and what it is made of.

    V = eta_top(s I / A_top) - eta_bottom(-s I / A_bottom) + (I / A) (l_SE / k_SE + l_int / k_int + R_constriction)

    with Butler-Volmer on the true contact areas and the nominal area A elsewhere. Positive current strips the top.

    current_mA, current_mA_per_cm2   one of them: total, or per nominal area
    contact    "moving": as measured over time; "fixed": the contact of the first time

    Returns over time (s): `voltage`, `voltage_err` (of contact, interphase and constriction) and its parts
    `kinetic_top`, `kinetic_bottom`, `electrolyte`, `interphase`, `constriction`, all V and of the sign of the current.

    Without constriction it underestimates the polarisation when contact is nearly lost: little area left in few spots.
    Raises `InputError` for contact zero, contact beyond the nominal area (units mixed), currents of both kinds.
    Source: tomography paper, electrochemical model, with constriction added.
    """
    time_s = np.asarray(time_s, float)
    density = _density(cell, current_mA, current_mA_per_cm2, time_s)
    if contact not in ("moving", "fixed"):
        raise InputError(f"unknown contact {contact!r}", where="cell_voltage", fix="moving or fixed.")
    faces = {"top": top, "bottom": bottom}
    if contact == "fixed":
        faces = {side: face.fixed() for side, face in faces.items()}
    for side, face in faces.items():
        _check_face(cell, face, side, len(time_s))
    parts = _parts(cell, density, faces)
    variance = _variance(cell, density, faces)
    data = {name: ("time", np.broadcast_to(v, time_s.shape), {"units": "V"}) for name, v in parts.items()}
    total = sum(parts.values()) + np.zeros(len(time_s))
    data["voltage"] = ("time", total, {"units": "V", "long_name": "cell voltage"})
    data["voltage_err"] = ("time", np.sqrt(variance), {"units": "V"})
    return xr.Dataset(data, {"time": ("time", time_s, {"units": "s"})}, {"contact": contact})


def _density(cell: SymmetricCell, total, areal, time_s: np.ndarray) -> np.ndarray:
    """Nominal current density, mA/cm2."""
    if (total is None) == (areal is None):
        raise InputError(
            "give the current once: current_mA (total) or current_mA_per_cm2 (nominal area)",
            where="cell_voltage",
        )
    density = np.asarray(areal if total is None else np.asarray(total, float) / cell.area_cm2, float)
    if density.ndim and density.shape != time_s.shape:
        raise InputError(f"{density.size} currents for {time_s.size} times", where="cell_voltage")
    return np.broadcast_to(density, time_s.shape)


def _check_face(cell: SymmetricCell, face: Interface, side: str, times: int) -> None:
    area = np.ravel(np.asarray(face.contact_cm2, float))
    if area.size not in (1, times):
        raise InputError(f"{area.size} contact areas for {times} times", where=f"{side} interface")
    if not (area > 0).all():
        raise InputError(
            "a contact area is zero or missing: no current can pass", where=f"{side} interface",
            fix="Leave those times out, or correct the segmentation.",
        )  # fmt: skip
    if (area > 1.001 * cell.area_cm2).any():
        raise InputError(
            f"contact of {area.max():.4g} cm2 on a nominal area of {cell.area_cm2:.4g} cm2", where=f"{side} interface",
            fix="Areas are in cm2 (not a share, not um2); the contact is projected and cannot exceed the nominal area.",
        )  # fmt: skip
    share = np.asarray(face.lithium_fraction, float)
    if not ((share > 0) & (share <= 1)).all() or not (np.asarray(face.interphase_um) >= 0).all():
        raise InputError(
            "lithium_fraction lies in 0-1, interphase_um is not negative", where=f"{side} interface"
        )


def _parts(cell: SymmetricCell, density: np.ndarray, faces: dict[str, Interface]) -> dict[str, np.ndarray]:
    ampere = density * 1e-3  # A/cm2
    parts = {"electrolyte": ampere * cell.electrolyte_um * 1e-4 / cell.electrolyte_S_per_cm}
    for side, sign in (("top", 1.0), ("bottom", -1.0)):
        face = faces[side]
        local = (
            sign * density * cell.area_cm2 / np.asarray(face.contact_cm2) * np.asarray(face.lithium_fraction)
        )
        parts[f"kinetic_{side}"] = sign * overpotential(
            local, cell.exchange_mA_per_cm2, cell.alpha_anodic, cell.alpha_cathodic, cell.temperature_K
        )
    thick = sum(np.asarray(face.interphase_um) for face in faces.values())
    parts["interphase"] = ampere * thick * 1e-4 / cell.interphase_S_per_cm
    parts["constriction"] = ampere * sum(np.asarray(face.constriction_ohm_cm2) for face in faces.values())
    return parts


def _variance(cell: SymmetricCell, density: np.ndarray, faces: dict[str, Interface]) -> np.ndarray:
    """Variance of the voltage by moving each measured value up and down by its error."""
    pairs = (("contact_cm2", "contact_err_cm2"), ("interphase_um", "interphase_err_um"),
             ("constriction_ohm_cm2", "constriction_err_ohm_cm2"))  # fmt: skip
    variance = np.zeros(density.shape)
    for side, face in faces.items():
        for value, error in pairs:
            sigma = np.asarray(getattr(face, error), float)
            if not sigma.any():
                continue
            now = np.asarray(getattr(face, value), float)
            low = np.maximum(now - sigma, 1e-3 * now)
            ends = [
                sum(_parts(cell, density, {**faces, side: replace(face, **{value: v})}).values())
                for v in (now + sigma, low)
            ]
            variance = variance + ((ends[0] - ends[1]) / 2) ** 2
    return variance
