"""From exposures of several states and heights to counts against momentum, with every drift followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from .drift import angle_drift, scale_drift
from .energy import EnergyCheck, calibrate_energy, nominal_calibration
from .geometry import Pinhole
from .lines import LineRegion
from .profile import (
    Momenta,
    energy_spectrum,
    momentum_counts,
    momentum_resolution,
    over_pixels,
    response,
    template,
)
from .ratio import Windows
from .spectrum import bad_pixels

Cube = Callable[[], np.ndarray] | np.ndarray


@dataclass(frozen=True)
class Imaging:
    """Settings of the analysis of a cell in a sheet beam. Every correction can be switched off.

    lines            regions of fluorescence lines; empty: keep the nominal energies
    correct_scale    follow the energy scale from exposure to exposure
    correct_angle    follow the scattering angle
    multiple         take off photons scattered twice (`twice` given to `lithium_of_states`)
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
    multiple: bool = True
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
    `angle_drift` with `_err`, `scale_drift`, `offset_drift` (state, region); `spectrum` (state, region, energy).
    A state whose drifts cannot be found (lines or Compton peak too weak) is NaN and has TOO_FEW_COUNTS in
    `state_flag`. Raises `InputError` where no pixel can be calibrated, or for cubes of another size.
    """
    states, regions = len(cubes), len(cubes[0])
    names = list(names) if names is not None else [str(i) for i in range(states)]
    done, steps = 0, 2 * states * regions

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, steps)

    total = _total(cubes, len(energy_keV), imaging, tick)
    pixels = bad_pixels(total, energy_keV, imaging.pinhole.energy_keV)
    found = _calibrated(total, energy_keV, imaging)
    good = pixels["good"].values & np.isfinite(found["gain"].values)
    per_row = [_of_state(row, energy_keV, found, good, imaging, tick) for row in cubes]
    data = xr.concat(per_row, "state").assign_coords(state=names, region=np.arange(regions) + 1)
    for name in ("gain", "gain_err", "lower", "lower_err"):
        data[name] = found[name]
    data["good"] = (("y", "x"), good, {"units": "1", "long_name": "pixels that are used"})
    data["pixel_flag"] = pixels["flag"] | found["flag"].astype(pixels["flag"].dtype)
    data["state_flag"] = flag_variable(data["state_flag"].values, ("state",))
    return data


def _total(cubes: Sequence[Sequence[Cube]], channels: int, imaging: Imaging, tick) -> np.ndarray:
    """Sum of all exposures, each checked."""
    expected, total = (*imaging.pinhole.shape, channels), None
    for row in cubes:
        for source in row:
            cube = _cube(source)
            if cube.shape != expected:
                raise InputError(
                    f"a cube of {cube.shape}; expected {expected}", where="momenta_of_states",
                    fix="Axes are y, x, channel, the same in every exposure.",
                )  # fmt: skip
            if total is None:
                kind = {"u": np.uint32 if cube.dtype.itemsize <= 2 else np.int64, "i": np.int64}
                total = np.zeros(expected, kind.get(cube.dtype.kind, float))
            _accumulate(total, cube, imaging.threads)
            tick()
    if total is None:
        raise InputError(
            "no exposures", where="momenta_of_states", fix="Give one row of cubes for each state."
        )
    return total


def _accumulate(total: np.ndarray, cube: np.ndarray, threads: int | None) -> None:
    """total += cube, rows of pixels shared over threads (numpy lets go of the interpreter while it adds)."""

    def part(span: slice) -> None:
        np.add(total[span], cube[span], out=total[span])

    over_pixels(part, total.shape[0], threads)


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
    spectra = xr.concat([energy_spectrum(c, calibration, energy_keV, good) for c in read], "region")
    scale, offset, scale_err = _scales(spectra, imaging)

    def momenta(angle: float) -> xr.DataArray:
        parts = [
            momentum_counts(
                c, calibration, imaging.pinhole, imaging.momenta, mask=good, angle_drift_deg=angle,
                scale_drift=float(scale[r]), offset_drift_keV=float(offset[r]), threads=imaging.threads,
            )
            for r, c in enumerate(read)
        ]  # fmt: skip
        return xr.concat(parts, "region")

    counts, angle, angle_err = momenta(0.0), 0.0, np.nan
    if imaging.correct_angle:
        summed = counts.sum(("region", "y", "x")).expand_dims("exposure")
        seen = angle_drift(summed, imaging.pinhole, reference=None, scale_err_keV=float(scale_err.mean()))
        angle, angle_err = float(seen["angle"][0]), float(seen["angle_err"][0])
        counts = momenta(angle)  # NaN where the angle is
    for _ in read:
        tick()
    one = np.ones(len(read))
    lost = not np.isfinite(angle + scale + offset).all()
    return xr.Dataset({
        "counts": counts.where(not lost), "spectrum": spectra,
        "angle_drift": ("region", angle * one, {"units": "degree"}),
        "angle_drift_err": ("region", angle_err * one, {"units": "degree"}),
        "scale_drift": ("region", scale, {"units": "1"}), "offset_drift": ("region", offset, {"units": "keV"}),
        "state_flag": ((), int(Flag.TOO_FEW_COUNTS) if lost else 0),
    })  # fmt: skip


def _scales(spectra: xr.DataArray, imaging: Imaging) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scale, offset (keV) and error at the peak (keV) of each exposure; NaN where its lines are too weak."""
    none = np.zeros(spectra.sizes["region"])
    if not imaging.lines or not imaging.correct_scale:
        return none, none, none
    try:
        drift = scale_drift(spectra, imaging.lines, imaging.check)
    except InputError:
        return none + np.nan, none + np.nan, none + np.nan
    return drift["scale"].values, drift["offset"].values, drift["peak_err"].values
