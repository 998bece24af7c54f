"""From the words of an experiment file to the facts of an analysis: geometry, grid, rings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from operando.core import Geometry, Phase, Reflection, Scan, ScanGrid
from operando.core.errors import ExperimentError, GeometryError, GridError

from .experiment import Experiment
from .sections import RingSection, XrdSection

#: width of a ring's q bins in pixels: narrower ones are unevenly filled, wider ones blur a sharp peak
BIN_PIXELS = 0.75
#: a ring's window reaches this share of q to each side: LixCoO2 changes its c by 2.3 %
WINDOW_SHARE = 0.05
#: a cell with more lattice points in reach of the detector than this is a slip of the pen
MOST_LATTICE_POINTS = 2_000_000


@dataclass(frozen=True)
class Ring:
    """A ring to follow: its reflection, its window in q (1/angstrom) in so many bins, and its families of azimuths."""

    name: str
    phase: Phase
    reflection: Reflection
    q_range: tuple[float, float]
    families: tuple[tuple[str, tuple[float, ...]], ...]
    half_width_deg: float
    shape: str
    q_bins: int

    @property
    def parameter(self) -> str:
        """The lattice parameter that this reflection gives: c for (00l), else a."""
        h, k, l = self.reflection.hkl  # noqa: E741
        return "c" if h == k == 0 and l else "a"


def phases(experiment: Experiment) -> dict[str, Phase]:
    """The phases of the file, by name."""
    return {name: section.build(name) for name, section in experiment.phases.items()}


def geometry_of(xrd: XrdSection, scan: Scan) -> Geometry:
    """Geometry of the PONI file, for images of this scan. Raises `GeometryError` where they do not fit."""
    geometry = Geometry.from_poni(xrd.geometry, flip=xrd.flip, orientation=xrd.orientation)
    return geometry.for_shape(scan.frames.shape, name=f"{scan.name} with {Path(xrd.geometry).name}")


def rings_of(experiment: Experiment, geometry: Geometry) -> list[Ring]:
    """The rings of the file. Raises `GeometryError` for a ring that does not reach the detector."""
    assert experiment.xrd is not None
    known = phases(experiment)
    q = geometry.q()
    seen = (float(q.min()), float(q.max()))
    for phase in known.values():
        _not_endless(phase, seen[1])
    lines = [r.q for phase in known.values() for r in phase.reflections(seen[1], seen[0])]
    step = pixel_step(geometry)
    bins = experiment.xrd.azimuth_bins
    rings = []
    for number, section in enumerate(experiment.xrd.rings):
        where = f"xrd.rings.{number}"
        _families_meet_bins(section, bins, where)
        rings.append(_ring(section, known[section.phase], seen, lines, step, where))
    return rings


def _not_endless(phase: Phase, q_max: float) -> None:
    """Stop at a cell so large that its reflections cannot be listed: about q^3 V / (6 pi^2) lattice points."""
    if q_max**3 * phase.cell().volume / (6 * np.pi**2) > MOST_LATTICE_POINTS:
        raise ExperimentError(
            f"phase {phase.name}: a cell of {phase.a:g} x {phase.b:g} x {phase.c:g} angstrom has millions of "
            f"reflections up to q = {q_max:.1f} 1/angstrom", where=f"phases.{phase.name}",
            fix="Cell parameters are in angstrom; correct them, or the geometry.",
        )  # fmt: skip


def _families_meet_bins(section: RingSection, bins: int, where: str) -> None:
    """Every window of azimuths must hold the centre of a bin."""
    centres = (np.arange(bins) + 0.5) * 360 / bins
    for name, azimuths in section.families.items():
        for azimuth in azimuths:
            if np.abs((centres - azimuth + 180) % 360 - 180).min() > section.half_width_deg:
                raise ExperimentError(
                    f"ring {section.name}, family {name}: no azimuth bin within {section.half_width_deg:g} deg of "
                    f"{azimuth:g}", where=where,
                    fix=f"Widen half_width_deg, or raise azimuth_bins (now {bins}, {360 / bins:g} deg each).",
                )  # fmt: skip


def pixel_step(geometry: Geometry) -> float:
    """Typical change of q from one pixel to the next along the radius, 1/angstrom."""
    return float(np.median(np.hypot(*np.gradient(geometry.q()))))


def _ring(
    section: RingSection,
    phase: Phase,
    seen: tuple[float, float],
    lines: list[float],
    step: float,
    where: str,
) -> Ring:
    reflection = phase.reflection(section.hkl)
    q_range = section.q_range or default_window(reflection.q, lines, 4 * step)
    if not q_range[0] < reflection.q < q_range[1]:
        raise ExperimentError(
            f"ring {section.name}: q_range {q_range} does not hold {reflection.label} at {reflection.q:.4f} 1/angstrom",
            where=where, fix="Correct q_range, or the cell of the phase.",
        )  # fmt: skip
    if q_range[0] < seen[0] or q_range[1] > seen[1]:
        raise GeometryError(
            f"ring {section.name}: {reflection.label} at q = {reflection.q:.3f} 1/angstrom, window {q_range[0]:.3f} to "
            f"{q_range[1]:.3f}, is not all on the detector, which sees {seen[0]:.3f} to {seen[1]:.3f}",
            where=where, fix="Remove this ring, narrow its q_range, or check geometry and cell of the phase.",
        )  # fmt: skip
    families = tuple((name, tuple(azimuths)) for name, azimuths in section.families.items())
    bins = section.q_bins or max(8, round((q_range[1] - q_range[0]) / (BIN_PIXELS * step)))
    return Ring(
        section.name, phase, reflection, q_range, families, section.half_width_deg, section.shape, bins
    )


def default_window(q: float, lines: Sequence[float], least: float) -> tuple[float, float]:
    """Window of a ring when the file gives none: `WINDOW_SHARE` of q to each side, up to halfway to the next line.

    `lines` are all reflections of all phases (1/angstrom); a side is never narrower than `least`.
    """
    below = max((line for line in lines if line < q * (1 - 1e-6)), default=0.0)
    above = min((line for line in lines if line > q * (1 + 1e-6)), default=np.inf)
    low = max(q * (1 - WINDOW_SHARE), (q + below) / 2)
    high = min(q * (1 + WINDOW_SHARE), (q + above) / 2)
    return min(low, q - least), max(high, q + least)


def grid_of(xrd: XrdSection, scan: Scan) -> ScanGrid:
    """The grid that the file states, else the one behind the recorded motor positions."""
    if xrd.grid is not None:
        plan = xrd.grid
        return ScanGrid.regular(
            plan.rows, plan.columns, step_z_um=plan.step_z_um, step_x_um=plan.step_x_um, order=plan.order,
            frames=len(scan.frames), incomplete=xrd.incomplete, name=scan.name,
        )  # fmt: skip
    if scan.x_um is None or scan.z_um is None:
        raise GridError(
            "no motor positions were recorded", where=scan.name,
            fix="Give grid = { rows, columns, step_z_um, step_x_um } under [xrd].",
        )  # fmt: skip
    count = min(len(scan.x_um), len(scan.frames))
    if len(scan.x_um) != len(scan.frames) and not xrd.incomplete:
        raise GridError(
            f"{len(scan.frames)} frames but {len(scan.x_um)} motor positions", where=scan.name,
            fix=f"The first {count} can be mapped, the rest as NaN: set incomplete = true in [xrd] to do so.",
        )  # fmt: skip
    grid = ScanGrid.from_positions(scan.x_um[:count], scan.z_um[:count], name=scan.name)
    if len(scan.frames) > count:
        point = np.concatenate([grid.point, np.full(len(scan.frames) - count, -1)])
        grid = ScanGrid(grid.z_um, grid.x_um, point)
    return grid
