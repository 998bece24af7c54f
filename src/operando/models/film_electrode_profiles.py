"""What the images show of a film model: front, insulating layer, profiles on the grid of a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable
from operando.core.units import FARADAY_C_PER_MOL, LI_MOLAR_VOLUME_CM3_PER_MOL

from .film_electrode_cell import SURFACE_UM, FilmCell


def describe_film(cell: FilmCell, raw: dict[str, Any]) -> xr.Dataset:
    """Dataset of `simulate_film` from the solver's arrays."""
    keep = np.append(
        True, np.diff(raw["time"]) > 0
    )  # a step begins at the time at which the one before ended
    raw = {k: v[..., keep] if isinstance(v, np.ndarray) else v for k, v in raw.items()}
    columns, cells, _ = raw["x"].shape
    z = (np.arange(cells) + 0.5) * cell.film_um / cells
    x = raw["x"].mean(0).T
    charge = raw["charge"] / 3.6e4
    found = {
        "x_li": _with(("time", "z"), x, "1", "x in LixCoO2"),
        "voltage": _with(("time",), raw["voltage"], "V", "cell voltage"),
        "current_density": _with(
            ("time",), raw["current"] / 10, "mA/cm2", "current density, positive on charge"
        ),
        "areal_capacity": _with(("time",), charge, "mAh/cm2", "net charge per area"),
        "surface_x": _with(("time",), raw["surface"].mean(0), "1", "Li content at the electrolyte"),
        "plated": _with(("time",), _plated_um(charge), "um", "plated Li by Faraday's law"),
        "step": _with(("time",), raw["step"], "1", "number of the step"),
    }
    if columns > 1:
        found["x_li_columns"] = _with(
            ("column", "time", "z"), raw["x"].transpose(0, 2, 1), "1", "x in LixCoO2"
        )
    for end in ("film", "anode"):
        if f"ions_{end}" in raw:
            at = f"mobile ions of the electrolyte at the {end}, relative to rest"
            found[f"ions_{end}"] = _with(("time",), raw[f"ions_{end}"].mean(0), "1", at)
    coords = {"time": ("time", raw["time"], {"units": "s"}), "z": ("z", z, {"units": "um"})}
    film = xr.Dataset(found, coords)
    if cell.ocv.plateau is not None:
        film = film.assign(_front(cell, film))
    return film.assign_attrs(
        mass_balance=_mass_balance(cell, x, raw["surface"].mean(0), raw["charge"]), ended=raw["ended"],
        notes=list(cell.ocv.notes), film_um=cell.film_um, start_x=cell.start_x, cells=cells,
    )  # fmt: skip


def _with(dims, values, units: str, long_name: str) -> tuple:
    return dims, values, {"units": units, "long_name": long_name}


def _plated_um(areal_capacity: np.ndarray) -> np.ndarray:
    return areal_capacity * 3.6 / FARADAY_C_PER_MOL * LI_MOLAR_VOLUME_CM3_PER_MOL * 1e4


def _mass_balance(cell: FilmCell, x: np.ndarray, surface: np.ndarray, charge: np.ndarray) -> float:
    """Largest difference between Li lost and charge over F, relative to all charge that passed."""
    content = (x.mean(1) * (cell.film_um - SURFACE_UM) + surface * SURFACE_UM) * 1e-6
    lost = (cell.start_x * cell.film_um * 1e-6 - content) * cell.sites_mol_per_m3 * FARADAY_C_PER_MOL
    passed = np.abs(np.diff(charge)).sum()
    return float(np.abs(lost - charge).max() / passed) if passed > 0 else 0.0


def _front(cell: FilmCell, film: xr.Dataset) -> dict[str, tuple]:
    """Equal-area position of the boundary, its speed, and the thickness of the Li-rich phase by the lever rule."""
    share = cell.ocv.rich_share(film["x_li"].values)
    thickness = share.mean(1) * cell.film_um
    two = (share.max(1) > 0.5) & (share.min(1) < 0.5)
    below = share[:, 0] > share[:, -1]
    height = np.where(below, thickness, cell.film_um - thickness)
    front = np.where(two, height, np.nan)
    with np.errstate(invalid="ignore"):
        speed = -np.gradient(front, film["time"].values) * 1e3
    width = np.where(two, ((share > 0.1) & (share < 0.9)).mean(1) * cell.film_um, np.nan)
    flag = np.where(two, 0, int(Flag.NO_DATA))
    return {
        "front": _with(("time",), front, "um", "height of the phase boundary above the substrate"),
        "front_speed": _with(("time",), speed, "nm/s", "speed of the boundary away from the electrolyte"),
        "front_flag": flag_variable(flag, ("time",)),  # type: ignore[dict-item]
        "front_width": _with(("time",), width, "um", "thickness between 10 and 90 % of Li-rich phase"),
        "insulating": _with(("time",), thickness, "um", "thickness of the Li-rich (insulating) phase"),
    }


def film_on_grid(
    film: xr.Dataset, z_um: np.ndarray, time_s: np.ndarray, *, substrate_um: float = 0.0, blur_um: float = 0.0
) -> xr.Dataset:
    """Modelled Li content as an image would show it: means over the pixels of a map, at the times of its rows.

    z_um          (z,) middles of the pixels, um, evenly spaced
    time_s        (time,) one time a map, or (time, z) the time of each row, s
    substrate_um  height of the bottom of the film on the grid of the image
    blur_um       sigma of the beam and of the interfaces along z, Gaussian

    A pixel that the film fills in part holds the mean of that part; outside it is NaN with flag no_data, as are times
    outside the simulation (before_record, after_record). Returns `x_li`, `x_li_flag`, `film_share` over time and z.
    """
    z_um, time_s = np.asarray(z_um, float), np.asarray(time_s, float)
    pixel = _pixel(z_um)
    rows = np.broadcast_to(time_s[:, None] if time_s.ndim == 1 else time_s, (len(time_s), len(z_um)))
    if rows.shape[1] != len(z_um):
        raise InputError(
            f"time_s of shape {time_s.shape} does not fit {len(z_um)} rows", where="film_on_grid"
        )
    content, share = _pixel_means(film, z_um - substrate_um, pixel, blur_um)
    clock = film["time"].values
    x = np.stack([np.interp(rows[:, k], clock, content[:, k]) for k in range(len(z_um))], 1)
    flag = np.where(share > 0.01, 0, int(Flag.NO_DATA)) + np.zeros(rows.shape, int)
    flag |= np.where(rows < clock[0], int(Flag.BEFORE_RECORD), 0)
    flag |= np.where(rows > clock[-1], int(Flag.AFTER_RECORD), 0)
    middle = rows.mean(1)
    return xr.Dataset(
        {
            "x_li": _with(("time", "z"), np.where(flag == 0, x, np.nan), "1", "modelled x in LixCoO2"),
            "x_li_flag": flag_variable(flag, ("time", "z")),
            "film_share": _with(("z",), share, "1", "share of the pixel that is film"),
        },
        {"time": ("time", middle, {"units": "s"}), "z": ("z", z_um, {"units": "um"})},
    )


def _pixel(z_um: np.ndarray) -> float:
    steps = np.diff(z_um)
    if z_um.ndim != 1 or len(z_um) < 2 or not (steps > 0).all() or np.ptp(steps) > 1e-6 * abs(steps[0]):
        raise InputError("z_um must rise in even steps", where="film_on_grid")
    return float(steps[0])


def _pixel_means(
    film: xr.Dataset, z: np.ndarray, pixel: float, blur_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """(time, z) mean content of the film in each pixel, and the film's share of it, from running integrals."""
    x, thickness = film["x_li"].values, float(film.attrs["film_um"])
    cell = thickness / x.shape[1]
    reach = 4 * blur_um + pixel
    fine = np.arange(z[0] - reach, z[-1] + reach, min(pixel / 20, cell)) if blur_um > 0 else None
    if fine is None:
        edges = np.append(z - pixel / 2, z[-1] + pixel / 2)
        amount, filled = _running(x, cell, thickness, edges)
        amount, filled = np.diff(amount, axis=1), np.diff(filled)
    else:
        from scipy.ndimage import gaussian_filter1d

        step = fine[1] - fine[0]
        amount, filled = _running(x, cell, thickness, np.append(fine - step / 2, fine[-1] + step / 2))
        amount, filled = np.diff(amount, axis=1), np.diff(filled)
        amount = gaussian_filter1d(amount, blur_um / step, axis=1, mode="constant")
        filled = gaussian_filter1d(filled, blur_um / step, mode="constant")
        pick = np.abs(fine[None] - z[:, None]) <= pixel / 2
        amount, filled = amount @ pick.T, filled @ pick.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return amount / filled, filled / pixel


def _running(
    x: np.ndarray, cell: float, thickness: float, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Integral of content, and of film, from the substrate up to each edge."""
    inside = np.clip(edges, 0, thickness)
    total = np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, 1) * cell], 1)
    where = inside / cell
    low = np.minimum(where.astype(int), x.shape[1] - 1)
    return total[:, low] + (where - low) * (total[:, low + 1] - total[:, low]), inside
