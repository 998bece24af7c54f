"""The Compton recipe: histograms of several states and heights to Li content, by number and by map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import compton
from operando.core import digest
from operando.core.errors import ExperimentError

from .compton_groups import result_groups
from .sections.compton import ComptonSection

if TYPE_CHECKING:
    from .running import Run


#: channels that count as the same differ by less than this share of their width
SAME_CHANNEL = 0.01


@dataclass(frozen=True)
class Histograms:
    """Files of the exposures, files[state][region], each with size and time of change: what a stage depends on."""

    files: tuple[tuple[str, ...], ...]
    stamps: tuple[tuple[tuple[int, int], ...], ...]
    dataset: str | None
    energy_units: str | None

    @classmethod
    def of(cls, section: ComptonSection) -> Histograms:
        files = tuple(tuple(state.regions) for state in section.states)
        stats = tuple(
            tuple((Path(f).stat().st_size, Path(f).stat().st_mtime_ns) for f in row) for row in files
        )
        return cls(files, stats, section.dataset, section.energy_units)

    @property
    def digest(self) -> str:
        return digest(self.files, self.stamps, self.dataset, self.energy_units)

    def read(self, state: int, region: int) -> xr.Dataset:
        from operando.read import hexitec_histogram

        return hexitec_histogram(self.files[state][region], self.dataset, energy_units=self.energy_units)

    def cubes(self, first: xr.Dataset) -> list[list[Callable[[], np.ndarray]]]:
        """Readers of the counts of each exposure, which has the pixels and energies of the first."""
        return [
            [partial(self._counts, s, r, first) for r in range(len(row))] for s, row in enumerate(self.files)
        ]

    def _counts(self, state: int, region: int, first: xr.Dataset) -> np.ndarray:
        """Raises `ExperimentError` for other pixels or energies than those of the first exposure."""
        held = self.read(state, region)
        shapes = [one["counts"].shape for one in (held, first)]
        if shapes[0] != shapes[1]:
            sizes = [" x ".join(map(str, shape)) for shape in shapes]
            raise ExperimentError(
                f"{sizes[0]} pixels and channels, but the first exposure has {sizes[1]}",
                where=self.files[state][region], fix="All exposures are of one detector with one setting.",
            )  # fmt: skip
        energies = held["energy"].values, first["energy"].values
        width = float(np.diff(energies[1]).mean())
        if not np.allclose(*energies, rtol=0, atol=SAME_CHANNEL * width):
            raise ExperimentError(
                f"energies up to {energies[0].max():.6g} keV, but the first exposure has up to {energies[1].max():.6g}",
                where=self.files[state][region], fix="All exposures are of one detector with one setting.",
            )  # fmt: skip
        if not held["counts"].values.any():
            raise ExperimentError(
                "no counts at all",
                where=self.files[state][region],
                fix="Was the shutter closed? Leave this state out.",
            )
        return held["counts"].values


def compton_imaging(job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> None:
    """Put the groups of `compton` (see docs/decisions/0002) into `groups`."""
    section = job.experiment.compton
    assert section is not None
    source = Histograms.of(section)
    first = source.read(0, 0)
    shape = first["counts"].shape
    names = [state.name for state in section.states]
    job.listener.say(
        "compton", f"{len(names)} states, {3 * len(names)} images of {shape[0]} x {shape[1]} x {shape[2]}"
    )
    imaging = imaging_of(section, (shape[0], shape[1]))
    momenta = _momenta(job, source, first, imaging, names)
    tomogram = tomogram_of(section)
    shares, volume, where = _registered(job, tomogram, first, imaging, section)
    cathode = volume[0, 0] > 0.5 * volume[0, 0].max()
    known = {state.name: state.x for state in section.states if state.x is not None}
    result = compton.lithium_of_states(
        momenta.drop_vars("region"), compton.fractions_from_shares(shares[:, :3]), cathode, known, imaging,
        known_err=section.x_err, monitor=_monitor(source), transmission=compton.cathode_transmission(shares, volume),
    )  # fmt: skip
    groups |= result_groups(result, momenta, where, imaging, section, table)
    _look_at(job, momenta, where)


def imaging_of(section: ComptonSection, shape: tuple[int, int]) -> compton.Imaging:
    """Camera and settings of the analysis. Raises `ExperimentError` for blocks larger than the image."""
    if section.block > min(shape):
        raise ExperimentError(
            f"blocks of {section.block} pixels in images of {shape[0]} x {shape[1]}", where="compton.block",
            fix="Choose a smaller block.",
        )  # fmt: skip
    camera = compton.Pinhole(
        section.energy_keV, shape, section.pitch_mm, section.angle_deg, section.distance_mm, section.magnification,
        pinhole_mm=section.pinhole_mm, inverted=section.inverted,
    )  # fmt: skip
    lid = {section.case.formula: (section.lid_um, section.case.density_g_cm3)} if section.lid_um else {}
    return compton.Imaging(
        camera, compton.detector_regions(tuple(section.lines)) if section.lines else (),
        check=compton.EnergyCheck(resolution_keV=section.resolution_keV), host=section.cathode.formula,
        sensor_mm=section.sensor_mm, polarisation=section.polarisation, exit_paths_um=lid,
        correct_scale=section.correct_scale, correct_angle=section.correct_angle, absorption=section.absorption,
        block=section.block,
    )  # fmt: skip


def _momenta(
    job: Run, source: Histograms, first: xr.Dataset, imaging: compton.Imaging, names: list[str]
) -> xr.Dataset:
    def compton_momenta(histograms: Histograms, *, imaging: compton.Imaging, names: list[str]) -> xr.Dataset:
        told = partial(job.listener.progress, "compton")
        cubes, energy = histograms.cubes(first), first["energy"].values
        return compton.momenta_of_states(cubes, energy, imaging, names=names, progress=told)

    return job.stages.stage(compton_momenta, {"histograms": source}, {"imaging": imaging, "names": names})


def tomogram_of(section: ComptonSection) -> compton.Tomogram:
    """The labels with their materials. Raises `ExperimentError` for a component without label."""
    from operando.read import read_label_volume

    given = section.tomogram
    labels = read_label_volume(
        given.file, voxel_um=(given.vertical_um, given.lateral_um, given.lateral_um), names=given.labels
    )
    named = dict(zip(labels.attrs["names"], labels.attrs["values"], strict=True))
    parts = {
        "cathode": section.cathode,
        "separator": section.separator,
        "anode": section.anode,
        "steel": section.case,
    }
    missing = [name for name in ("cathode", "separator", "anode") if name not in named]
    if missing:
        raise ExperimentError(
            f"the tomogram names no label {missing[0]!r}; it has {', '.join(named) or 'none'}",
            where="compton.tomogram",
            fix="Name them: labels = { cathode = 1, separator = 2, anode = 3 }.",
        )  # fmt: skip
    materials = {
        name: compton.Material(int(named[name]), part.formula, part.density_g_cm3)
        for name, part in parts.items() if name in named
    }  # fmt: skip
    lateral = float(np.diff(labels["x"].values).mean())
    return compton.Tomogram(labels.values, labels["z"].values, lateral, materials)


def _registered(job: Run, tomogram: compton.Tomogram, first: xr.Dataset, imaging: compton.Imaging, section):
    """Shares of the sheet with and without absorption, of every pixel, and where the tomogram was found."""
    camera, heights = imaging.pinhole, section.heights_um
    counts = first["counts"].values
    image = counts.sum(-1).astype(float)
    image[~compton.bad_pixels(counts, first["energy"].values, camera.energy_keV)["good"].values] = np.nan
    plain = compton.sheet_shares(tomogram, heights, section.sheet_um, pinhole=camera)
    where = compton.register_image(image, plain[0, :3], tomogram.lateral_um, camera)
    there = replace(tomogram, labels=where.align(tomogram.labels, tomogram.lateral_um))

    def shares(absorption: bool) -> np.ndarray:
        fine = compton.sheet_shares(there, heights, section.sheet_um, pinhole=camera, absorption=absorption)
        return compton.through_pinhole(fine, there.lateral_um, camera)

    return shares(section.absorption), shares(False), where


def _monitor(source: Histograms) -> np.ndarray | None:
    """Exposures (state, region), by the monitor where it was recorded, else by the time; None where neither was."""
    attrs = [[_about(source, s, r) for r in range(len(row))] for s, row in enumerate(source.files)]
    for name in ("monitor", "exposure_s"):
        values = np.array([[one[name] for one in row] for row in attrs], float)
        if np.isfinite(values).all() and (values > 0).all():
            return values
    return None


def _about(source: Histograms, state: int, region: int) -> dict:
    return source.read(state, region).attrs


def _look_at(job: Run, momenta: xr.Dataset, where: compton.Registration) -> None:
    bad = int((~momenta["good"].values.astype(bool)).sum())
    if bad:
        job.notes.append(
            f"compton: {bad} of {momenta['good'].size} pixels are dead, noisy or without energy scale"
        )
    if where.ambiguous:
        job.notes.append(
            "compton: the image fits the tomogram either way up: say inverted = true or false and check"
        )
    worst = float(np.abs(momenta["angle_drift"].values).max())
    if worst > 0.05:
        job.notes.append(f"compton: the scattering angle moved by up to {worst:.2f} degrees (corrected)")
