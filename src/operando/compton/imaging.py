"""From exposures of several states and heights to Li content: the whole chain, each step of which can be
called alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ..core.errors import InputError
from .components import fit_components
from .drift import angle_drift, scale_drift
from .energy import EnergyCheck, calibrate_energy, nominal_calibration
from .geometry import Pinhole
from .lines import LineRegion
from .lithium import (
    MomentumCalibration,
    Reference,
    lithium_content,
    momentum_calibration,
    theoretical_curvature,
)
from .profile import Momenta, energy_spectrum, momentum_counts, momentum_resolution, response, template
from .ratio import Windows, momentum_ratio
from .separate import VolumeFractions, separate_components, sum_blocks, sum_pixels
from .spectrum import bad_pixels

Cube = Callable[[], np.ndarray] | np.ndarray


@dataclass(frozen=True)
class Imaging:
    """Settings of the analysis of a cell in a sheet beam. Every correction can be switched off.

    lines            regions of fluorescence lines; empty: keep the nominal energies
    correct_scale    follow the energy scale from exposure to exposure
    correct_angle    follow the scattering angle
    absorption       divide the cathode's counts by its light (`transmission` given to `lithium_of_states`)
    host             formula of the cathode without lithium, for templates and the bend of EMR
    curvature        of EMR(x): "theory", "fit", or a number; 0 for a line
    block            pixels along each side of a block of the maps
    """

    pinhole: Pinhole
    lines: tuple[LineRegion, ...] = ()
    check: EnergyCheck = field(default_factory=EnergyCheck)
    momenta: Momenta = field(default_factory=lambda: Momenta(6.0, 0.1))
    windows: Windows = field(default_factory=Windows)
    host: str = "Ni0.6Mn0.2Co0.2O2"
    sensor_mm: float | None = 2.0
    polarisation: float = 0.95
    exit_paths_um: dict[str, tuple[float, float]] = field(default_factory=dict)
    correct_scale: bool = True
    correct_angle: bool = True
    absorption: bool = True
    curvature: float | str = "theory"
    block: int = 4
    threads: int | None = None

    def response(self) -> xr.DataArray:
        """Counts a bin for a flat profile."""
        return response(
            self.pinhole, self.momenta, sensor_mm=self.sensor_mm, exit_paths_um=self.exit_paths_um,
            polarisation=self.polarisation,
        )  # fmt: skip

    def templates(self) -> dict[str, np.ndarray]:
        """Counts a bin of Li and of the host, a formula unit."""
        wide = momentum_resolution(self.pinhole, self.check.resolution_keV)
        shape = self.response()
        return {"Li": template("Li", shape, wide), "host": template(self.host, shape, wide)}


def _cube(source: Cube) -> np.ndarray:
    return source() if callable(source) else source


def momenta_of_states(
    cubes: Sequence[Sequence[Cube]], energy_keV: np.ndarray, imaging: Imaging, *, names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:  # fmt: skip
    """Counts against p_z of every exposure, with energy scale and angle of each, and the pixels that can be used.

    cubes       cubes[state][region]: (y, x, channel) counts as stored, or functions that read them (each is read twice)
    energy_keV  (channel,) nominal energies, even

    Returns `counts` (state, region, y, x, p_z) float32; `good` (y, x); `gain`, `lower` and their errors (y, x);
    `angle_drift`, `scale_drift`, `offset_drift` with `_err` over (state, region); `spectrum` (state, region, energy).
    """
    states, regions = len(cubes), len(cubes[0])
    names = list(names) if names is not None else [str(i) for i in range(states)]
    total: np.ndarray | None = None
    done, steps = 0, 2 * states * regions

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, steps)

    for row in cubes:
        for source in row:
            cube = _cube(source)
            if (
                cube.ndim != 3
                or cube.shape[2] != len(energy_keV)
                or cube.shape[:2] != tuple(imaging.pinhole.shape)
            ):
                raise InputError(
                    f"a cube of {cube.shape}; expected {(*imaging.pinhole.shape, len(energy_keV))}",
                    where="momenta_of_states",
                    fix="Axes are y, x, channel, the same in every exposure.",
                )  # fmt: skip
            if total is None:
                total = np.zeros(cube.shape, np.int64 if cube.dtype.kind in "ui" else float)
            total += cube
            tick()
    assert total is not None
    pixels = bad_pixels(total, energy_keV, imaging.pinhole.energy_keV)
    found = _calibrated(total, energy_keV, imaging)
    good = pixels["good"].values & np.isfinite(found["gain"].values)
    per_row = [_of_state(row, energy_keV, found, good, imaging, tick) for row in cubes]
    data = xr.concat(per_row, "state").assign_coords(state=names, region=np.arange(regions) + 1)
    for name in ("gain", "gain_err", "lower", "lower_err"):
        data[name] = found[name]
    data["good"] = (("y", "x"), good, {"units": "1", "long_name": "pixels that are used"})
    data["pixel_flag"] = pixels["flag"] | found["flag"].astype(pixels["flag"].dtype)
    return data


def _calibrated(total: np.ndarray, energy_keV: np.ndarray, imaging: Imaging) -> xr.Dataset:
    if not imaging.lines:
        return nominal_calibration((total.shape[0], total.shape[1]), energy_keV)
    return calibrate_energy(
        xr.DataArray(total, dims=("y", "x", "channel")), energy_keV, imaging.lines, imaging.check
    )


def _of_state(
    row: Sequence[Cube], energy_keV, calibration: xr.Dataset, good: np.ndarray, imaging: Imaging, tick
):
    """The exposures of one state: spectra, drifts, counts against p_z. The angle is found from all heights together."""
    read = [_cube(source) for source in row]
    scale, offset, scale_err = np.zeros(len(read)), np.zeros(len(read)), np.zeros(len(read))
    spectra = xr.concat([energy_spectrum(c, calibration, energy_keV, good) for c in read], "region")
    if imaging.lines and imaging.correct_scale:
        drift = scale_drift(spectra, imaging.lines, imaging.check)
        if int(drift["flag"].max()):
            raise InputError(
                "the lines of an exposure are too weak to follow its energy scale", where="momenta_of_states",
                fix="Switch correct_scale off, or count longer.",
            )  # fmt: skip
        scale, offset, scale_err = drift["scale"].values, drift["offset"].values, drift["peak_err"].values

    def momenta(angle: float) -> xr.DataArray:
        return xr.concat(
            [
                momentum_counts(
                    c, calibration, imaging.pinhole, imaging.momenta, mask=good, angle_drift_deg=angle,
                    scale_drift=float(scale[r]), offset_drift_keV=float(offset[r]), threads=imaging.threads,
                )
                for r, c in enumerate(read)
            ], "region",
        )  # fmt: skip

    counts, angle, angle_err = momenta(0.0), 0.0, np.nan
    if imaging.correct_angle:
        summed = counts.sum(("region", "y", "x")).expand_dims("exposure")
        seen = angle_drift(summed, imaging.pinhole, reference=None, scale_err_keV=float(scale_err.mean()))
        angle, angle_err = float(seen["angle"][0]), float(seen["angle_err"][0])
        if not np.isfinite(angle):
            raise InputError(
                "too few counts to find the Compton peak of a state", where="momenta_of_states",
                fix="Switch correct_angle off, or count longer.",
            )  # fmt: skip
        counts = momenta(angle)
    for _ in read:
        tick()
    one = np.ones(len(read))
    return xr.Dataset({
        "counts": counts, "spectrum": spectra,
        "angle_drift": ("region", angle * one, {"units": "degree"}),
        "angle_drift_err": ("region", angle_err * one, {"units": "degree"}),
        "scale_drift": ("region", scale, {"units": "1"}), "offset_drift": ("region", offset, {"units": "keV"}),
    })  # fmt: skip


@dataclass(frozen=True)
class LithiumResult:
    """What `lithium_of_states` finds.

    states        over state: emr, ratio (fit), x_li (from the fit), x_li_emr, each with _err and _flag
    maps          over (state, y, x) blocks: emr, x_li, x_li_emr, each with _err; in the stored orientation
    profiles      over (state, component, p_z): counts and variance, summed over the cathode's pixels
    by_emr, by_fit  the calibrations
    """

    states: xr.Dataset
    maps: xr.Dataset
    profiles: xr.Dataset
    by_emr: MomentumCalibration
    by_fit: MomentumCalibration


def lithium_of_states(
    momenta: xr.Dataset, fractions: VolumeFractions, cathode: np.ndarray, known: dict[str, float], imaging: Imaging, *,
    known_err: float = 0.0, monitor: np.ndarray | None = None, transmission: np.ndarray | None = None,
) -> LithiumResult:  # fmt: skip
    """Li content of the cathode in each state, as a number and as a map, by EMR and by the fit of profiles.

    momenta       of `momenta_of_states`
    fractions     maps (y, x) as stored
    cathode       (y, x) as stored: pixels whose cathode is summed
    known         state name to x of the reference states: two or more
    monitor       (state, region) exposures; left out: equal
    transmission  (y, x) light of the cathode (`cathode_transmission`); used where `imaging.absorption`

    Raises `InputError` without reference states.
    """
    names = [str(s) for s in momenta["state"].values]
    missing = [name for name in known if name not in names]
    if missing or len(known) < 2:
        raise InputError(
            f"reference states: {', '.join(known) or 'none'}; states: {', '.join(names)}", where="lithium_of_states",
            fix="Name two or more states of known x: without them Li content cannot be told.",
        )  # fmt: skip
    pixels = cathode & momenta["good"].values & np.isfinite(np.asarray(fractions.alpha))
    light = transmission if imaging.absorption else None
    if light is not None:
        pixels &= np.isfinite(light)
    templates, shape = imaging.templates(), imaging.response()
    sums, blocks, all_sums = [], [], []
    for i in range(len(names)):
        factor = None if monitor is None else monitor[i, 0] / np.asarray(monitor[i], float)
        parts = separate_components(
            momenta["counts"].isel(state=i), fractions, scale=factor, transmission=light
        )  # fmt: skip
        total = {name: sum_pixels(part, pixels) for name, part in parts.items()}
        sums.append(_measured(total["cathode"], templates, shape, imaging, None))
        blocked = sum_blocks(parts["cathode"], imaging.block, pixels)
        blocks.append(_measured(blocked, templates, shape, imaging, total["cathode"]))
        all_sums.append(xr.concat([t.drop_vars("modes") for t in total.values()], "component").assign_coords(
            component=list(total)
        ))  # fmt: skip
    states, maps = (xr.concat(rows, "state").assign_coords(state=names) for rows in (sums, blocks))
    bend = imaging.curvature
    if bend == "theory":
        bend = theoretical_curvature(
            templates["host"], templates["Li"], momenta["p_z"].values, imaging.windows
        )
    by_emr = momentum_calibration(_references(states, known, known_err, "emr"), curvature=bend)
    by_fit = momentum_calibration(_references(states, known, known_err, "ratio"))
    profiles = xr.concat(all_sums, "state").assign_coords(state=names)
    return LithiumResult(
        _with_lithium(states, by_emr, by_fit), _with_lithium(maps, by_emr, by_fit), profiles, by_emr, by_fit
    )


def _measured(
    part: xr.Dataset, templates, shape: xr.DataArray, imaging: Imaging, whole: xr.Dataset | None
) -> xr.Dataset:
    """EMR and ratio of the fit; weights of the fit from the sum over the cathode, not from the noisy blocks."""
    emr = momentum_ratio(part, imaging.windows, response=shape)
    spread = (
        None if whole is None else np.maximum(whole["variance"].values, whole["variance"].values.max() * 1e-6)
    )
    fit = fit_components(part, templates, reach=min(5.0, imaging.momenta.reach), spread=spread)
    return xr.merge(
        [emr, fit[["ratio", "ratio_err", "ratio_err_stat", "ratio_flag", "chi2"]]], combine_attrs="drop"
    )


def _references(states: xr.Dataset, known: dict[str, float], known_err: float, name: str) -> list[Reference]:
    chosen = [(x, states.sel(state=state)) for state, x in known.items()]
    return [Reference(x, float(s[name]), float(s[f"{name}_err"]), known_err) for x, s in chosen]


def _with_lithium(data: xr.Dataset, by_emr: MomentumCalibration, by_fit: MomentumCalibration) -> xr.Dataset:
    for name, calibration, suffix in (("ratio", by_fit, ""), ("emr", by_emr, "_emr")):
        found = lithium_content(data[name], data[f"{name}_err"], calibration, data[f"{name}_flag"])
        data = data.assign({str(k).replace("x_li", f"x_li{suffix}"): v for k, v in found.data_vars.items()})
    return data
