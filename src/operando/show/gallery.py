"""Which figures a set of results has, drawn once, in the order of the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from .chapters import Chapter, chapters
from .figures import cell, clocks, composite, cycler, lattice, maps, pattern, quality, rows
from .figures.science import checking_figures, science_figures
from .style import Exhibit
from .summary import good, lattice_name

if TYPE_CHECKING:
    from operando.flow.results import Results


@dataclass
class Gallery:
    """Figures by section; a figure that cannot be drawn has a sentence in `absent` instead."""

    rings: dict[str, xr.Dataset]
    measured: list[Exhibit] = field(default_factory=list)
    changed: list[Exhibit] = field(default_factory=list)
    lattice: dict[str, list[Exhibit]] = field(default_factory=dict)
    patterns: list[Exhibit] = field(default_factory=list)
    electro: list[Exhibit] = field(default_factory=list)
    believed: list[Exhibit] = field(default_factory=list)
    counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    positions: pd.DataFrame = field(default_factory=pd.DataFrame)
    absent: list[str] = field(default_factory=list)
    chapters: list[Chapter] = field(default_factory=list)

    def everything(self) -> list[Exhibit]:
        """All figures, in the order of the report."""
        by_ring = [exhibit for some in self.lattice.values() for exhibit in some]
        others = [exhibit for chapter in self.chapters for exhibit in [*chapter.figures, *chapter.checks]]
        return [
            *self.measured,
            *self.changed,
            *by_ring,
            *self.patterns,
            *self.electro,
            *others,
            *self.believed,
        ]


def ring_groups(groups: dict[str, xr.Dataset], experiment: dict | None = None) -> dict[str, xr.Dataset]:
    """The groups xrd/<ring> by the name of the ring, in the order of the experiment file."""
    other = ("xrd/pattern", "xrd/reflections", "xrd/standard")
    found = {
        name.split("/")[1]: dataset for name, dataset in groups.items()
        if name.startswith("xrd/") and name.count("/") == 1 and name not in other and "time" in dataset.dims
    }  # fmt: skip
    stated = [ring["name"] for ring in ((experiment or {}).get("xrd") or {}).get("rings") or []]
    order = [name for name in stated if name in found] + [name for name in found if name not in stated]
    return {name: found[name] for name in order}


def draw_all(results: Results) -> Gallery:
    """Draw every figure that the groups at hand allow."""
    groups, experiment = results.groups, results.experiment
    gallery = Gallery(ring_groups(groups, experiment))
    gallery.chapters = chapters(results)
    _measured(gallery, groups, experiment)
    if "xrd" in groups or not gallery.chapters:
        _changed(gallery, groups, experiment)
    _patterns(gallery, groups, experiment)
    _electro(gallery, groups)
    _believed(gallery, groups)
    return gallery


def _measured(gallery, groups, experiment):
    xrd, clock = groups.get("xrd"), groups.get("clock")
    if (experiment.get("cell") or {}).get("layers"):
        gallery.measured.append(cell.cross_section(experiment["cell"], xrd))
    else:
        gallery.absent.append("The experiment file describes no cell, so none is drawn.")
    if "echem" in groups and groups["echem"].sizes.get("record", 0):
        time = xrd["time"] if xrd is not None else None
        gallery.measured.append(cycler.cycling(groups["echem"], clock, time))
    else:
        gallery.absent.append("There is no cycler record.")


def _changed(gallery, groups, experiment):
    xrd, clock, rings = groups.get("xrd"), groups.get("clock"), gallery.rings
    quantities = rows.component_rows(xrd, rings)
    if quantities:
        gallery.changed.append(
            maps.small_multiples(
                "maps", "Absorption and components over time",
                "Absorption of the cell and intensity of each ring above its background, where valid.",
                quantities, clock,
            )
        )  # fmt: skip
    else:
        gallery.absent.append("No map has a valid value.")
    section = experiment.get("xrd") or {}
    phase_of = {ring["name"]: ring.get("phase", ring["name"]) for ring in section.get("rings") or []}
    names = composite.pick_rings(rings, phase_of)
    if len(names) > 1:
        gallery.changed.append(composite.composite(rings, names, clock))
    usable = {name: ring for name, ring in rings.items() if has_lattice(ring)}
    if usable and next(iter(usable.values())).sizes["time"] > 1:
        gallery.changed.append(lattice.overview(usable))
    gallery.changed += science_figures(groups)
    for name, ring in usable.items():
        gallery.lattice[name] = _of_ring(name, ring, clock, groups.get("echem"))
    gallery.absent += [
        f"{name}: no valid fit in any map, so no lattice parameter is shown."
        for name in rings
        if name not in usable
    ]


def has_lattice(ring: xr.Dataset) -> bool:
    """Whether a ring gives a lattice parameter anywhere."""
    axis = lattice_name(ring)
    return axis is not None and bool(np.isfinite(good(ring, axis).values).any())


def _of_ring(name, ring, clock, echem):
    axis = lattice_name(ring)
    several = maps.small_multiples(
        f"{name}-maps",
        f"{axis} from {name}, map by map",
        f"{axis} at every valid point.",
        rows.lattice_rows(name, ring),
        clock,
    )
    return (
        [lattice.depth_and_time(name, ring, clock, echem), several] if ring.sizes["time"] > 1 else [several]
    )


def _patterns(gallery, groups, experiment):
    if "xrd/pattern" in groups and np.isfinite(groups["xrd/pattern"]["intensity"].values).any():
        gallery.patterns.append(pattern.mean_pattern(groups["xrd/pattern"], groups.get("xrd/reflections")))
    profiles = {
        name: groups[f"xrd/{name}/azimuth"] for name in gallery.rings if f"xrd/{name}/azimuth" in groups
    }
    profiles = {name: p for name, p in profiles.items() if np.isfinite(p["intensity"].values).any()}
    if profiles:
        settings = {ring["name"]: ring for ring in (experiment.get("xrd") or {}).get("rings") or []}
        gallery.patterns.append(pattern.azimuth_profiles(profiles, settings))


def _electro(gallery, groups):
    from .echem_figures import differential_figures, impedance_figures

    if "plating" in groups and groups["plating"].sizes["time"] > 1:
        gallery.electro.append(clocks.balance(groups["plating"], groups.get("plating/balance")))
    gallery.electro += [*differential_figures(groups), *impedance_figures(groups)]


def _believed(gallery, groups):
    if "clock/alignment" in groups:
        gallery.believed.append(clocks.alignment(groups["clock/alignment"]))
    gallery.counts = quality.flag_counts(gallery.rings, groups.get("xrd"))
    gallery.positions = quality.positions(gallery.rings, groups.get("xrd/reflections"))
    if gallery.rings and any("goodness" in ring for ring in gallery.rings.values()):
        gallery.believed.append(quality.goodness(gallery.rings))
    gallery.believed += checking_figures(groups)
    if len(gallery.counts):
        gallery.believed.append(quality.flags(quality.first_reasons(gallery.rings, groups.get("xrd"))))
