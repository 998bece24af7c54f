"""The cell models as functions of named parameters, for `fit_parameters`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .film_electrode import simulate_film
from .film_electrode_cell import FilmCell, Step
from .film_electrode_ocv import Diffusion
from .film_electrode_profiles import film_on_grid
from .inverse import fit_parameters
from .inverse_parameters import Measured, Model, Parameter
from .symmetric_cell import Interface, SymmetricCell, cell_voltage
from .symmetric_faces import interface_from_maps

FILM_NAMES = (
    "exchange_A_per_m2",
    "conductivity_S_per_cm",
    "series_ohm_cm2",
    "start_x",
    "anode_exchange_A_per_m2",
)
SYMMETRIC_NAMES = (
    "exchange_mA_per_cm2",
    "interphase_S_per_cm",
    "electrolyte_S_per_cm",
    "alpha_anodic",
    "alpha_cathodic",
)


def film_predictor(
    cell: FilmCell, steps: Sequence[Step], time_s: np.ndarray, *, z_um: np.ndarray | None = None,
    map_time_s: np.ndarray | None = None, substrate_um: float = 0.0, blur_um: float = 0.0, cells: int = 100,
) -> Model:  # fmt: skip
    """Film cell as a function of parameters: `current_density`, `voltage` at time_s and `x_li` on the grid of the maps.

    Parameters: those of FILM_NAMES; `diffusion_poor`, `diffusion_rich` (chemical, m2/s), or `diffusion_<x>` for D(x)
    at given contents, e.g. diffusion_0.6 (log-linear between them). What is not a parameter is as in `cell`.
    """
    points = max(200, len(time_s))

    def predict(values: dict[str, float]) -> dict[str, np.ndarray]:
        film = simulate_film(_film_with(cell, values), steps, cells=cells, points=points)
        clock = film["time"].values
        found = {n: np.interp(time_s, clock, film[n].values) for n in ("current_density", "voltage")}
        if z_um is not None and map_time_s is not None:
            image = film_on_grid(film, z_um, map_time_s, substrate_um=substrate_um, blur_um=blur_um)
            found["x_li"] = image["x_li"].values
        return found

    return predict


def _film_with(cell: FilmCell, values: dict[str, float]) -> FilmCell:
    plain = {name: value for name, value in values.items() if name in FILM_NAMES}
    spread = {
        name.removeprefix("diffusion_"): v for name, v in values.items() if name.startswith("diffusion_")
    }
    unknown = set(values) - set(plain) - {f"diffusion_{n}" for n in spread}
    if unknown:
        raise InputError(
            f"the film model has no parameter {sorted(unknown)[0]!r}", where="film_predictor",
            fix=f"Known: {', '.join(FILM_NAMES)}, diffusion_poor, diffusion_rich, diffusion_<x>.",
        )  # fmt: skip
    changed = cell.changed(**plain)
    if not spread:
        return changed
    if set(spread) <= {"poor", "rich"}:
        now = cell.diffusion.m2_per_s
        return changed.changed(
            diffusion=Diffusion.two_phase(spread.get("poor", now[0]), spread.get("rich", now[-1]))
        )
    try:
        at = sorted((float(x), d) for x, d in spread.items())
    except ValueError as error:
        raise InputError(
            "mix of diffusion_poor, diffusion_rich and diffusion_<x>", where="film_predictor"
        ) from error
    return changed.changed(diffusion=Diffusion(tuple(x for x, _ in at), tuple(d for _, d in at)))


def symmetric_predictor(
    cell: SymmetricCell, time_s: np.ndarray, top: Interface, bottom: Interface, current_mA_per_cm2: np.ndarray | float,
    *, constriction_power: float = 0.0, contact: str = "moving",
) -> Model:  # fmt: skip
    """Symmetric cell as a function of parameters: `voltage` at time_s, and `contact_scale` itself.

    Parameters: those of SYMMETRIC_NAMES, and `contact_scale`: true contact over measured contact (segmentation,
    contact finer than the voxels). constriction_power: how constriction goes with the interphase conductivity, as
    (k / k of cell)^power.
    """

    def predict(values: dict[str, float]) -> dict[str, np.ndarray]:
        unknown = set(values) - {*SYMMETRIC_NAMES, "contact_scale"}
        if unknown:
            raise InputError(
                f"the symmetric cell has no parameter {sorted(unknown)[0]!r}", where="symmetric_predictor",
                fix=f"Known: {', '.join(SYMMETRIC_NAMES)}, contact_scale.",
            )  # fmt: skip
        now = cell.changed(**{n: v for n, v in values.items() if n != "contact_scale"})
        factor = (now.interphase_S_per_cm / cell.interphase_S_per_cm) ** constriction_power
        scale = values.get("contact_scale", 1.0)
        faces = [_scaled(face, scale, factor, cell.area_cm2) for face in (top, bottom)]
        found = cell_voltage(now, time_s, *faces, current_mA_per_cm2=current_mA_per_cm2, contact=contact)
        return {"voltage": found["voltage"].values, "contact_scale": np.array(scale)}

    return predict


def _scaled(face: Interface, scale: float, factor: float, area_cm2: float) -> Interface:
    return Interface(
        np.minimum(np.asarray(face.contact_cm2) * scale, area_cm2), face.interphase_um, face.lithium_fraction,
        np.asarray(face.constriction_ohm_cm2) * factor,
    )  # fmt: skip


def fit_symmetric_maps(
    cell: SymmetricCell, time_s: np.ndarray, maps: tuple[Sequence[np.ndarray], Sequence[np.ndarray]], pixel_um: float,
    interphase_um: tuple[np.ndarray | float, np.ndarray | float], current_mA_per_cm2: np.ndarray | float,
    voltage: Measured, parameters: Sequence[Parameter], *, rounds: int = 6, **measured: Measured,
) -> xr.Dataset:  # fmt: skip
    """Fit a symmetric cell to voltage with the constriction of its own contact maps (top and bottom, one a time).

    Constriction depends on the conductivities and kinetics that are looked for: it is solved at the best cell so far,
    with its local power of the interphase conductivity, and the fit repeated until no parameter moves by more than a
    twentieth of its error.
    """
    density = np.broadcast_to(np.asarray(current_mA_per_cm2, float), np.shape(time_s))
    now, before = cell, None
    for _ in range(rounds):
        faces, power = _solved_faces(now, maps, pixel_um, interphase_um, density)
        model = symmetric_predictor(now, time_s, *faces, density, constriction_power=power)
        fit = fit_parameters(model, _begun(parameters, before), {"voltage": voltage, **measured})
        now = now.changed(**{n: float(v) for n, v in zip(fit.parameter.values, fit.value.values, strict=True)
                             if n in SYMMETRIC_NAMES})  # fmt: skip
        if before is not None and (np.abs(fit.value - before.value) < 0.05 * fit.value_err).all():
            break
        before = fit
    return fit.assign_attrs(constriction_power=power)


def _begun(parameters: Sequence[Parameter], fit: xr.Dataset | None) -> list[Parameter]:
    """Parameters that start where the last fit ended."""
    if fit is None:
        return list(parameters)
    values = np.clip(fit.value.values, [p.low for p in parameters], [p.high for p in parameters])
    return [
        Parameter(p.name, float(v), p.low, p.high, p.units, p.log)
        for p, v in zip(parameters, values, strict=True)
    ]


def _solved_faces(cell, maps, pixel_um, interphase_um, density) -> tuple[tuple[Interface, Interface], float]:
    def faces(of: SymmetricCell) -> tuple[Interface, Interface]:
        top = interface_from_maps(of, maps[0], pixel_um, density, interphase_um=interphase_um[0])
        bottom = interface_from_maps(of, maps[1], pixel_um, -density, interphase_um=interphase_um[1])
        return top, bottom

    here = faces(cell)
    nearby = faces(cell.changed(interphase_S_per_cm=cell.interphase_S_per_cm * 1.1))
    total, other = (sum(float(np.sum(f.constriction_ohm_cm2)) for f in pair) for pair in (here, nearby))
    return here, float(np.log(other / total) / np.log(1.1)) if total > 0 and other > 0 else 0.0
