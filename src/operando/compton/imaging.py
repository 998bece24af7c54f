"""From exposures of several states and heights to counts against momentum, with every drift followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ..core.errors import InputError
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
                small = cube.dtype.kind == "u" and cube.dtype.itemsize <= 2
                total = np.zeros(
                    cube.shape, np.uint32 if small else np.int64 if cube.dtype.kind in "ui" else float
                )
            _accumulate(total, cube, imaging.threads)
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
