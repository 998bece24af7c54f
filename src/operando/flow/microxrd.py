"""The micro-XRD recipe: scans to maps, profiles and lattice parameters. It joins stream and diffraction."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.core import DeadCounted, Scan, ScanGrid
from operando.core.errors import GridError, InputError
from operando.core.frames import FrameCut

from .around import ring_around, roundness, standard_distance
from .facts import grid_of, phases
from .family_windows import window_notes
from .fit_maps import fit_map
from .gather import join_maps, reflections
from .grain_groups import grain_groups, grain_ring
from .grain_images import image_call
from .lithium import plating_groups
from .notes import look_at
from .orders import Batch
from .orientation import check_flip
from .plan import Plan, plan_for
from .ratios import family_ratios
from .reduce import Parts, parts_of, reduce_frames
from .relation import epitaxy_groups
from .science import science_groups, two_phase_rings
from .sections import XrdSection
from .stage import Call
from .timeline import clock_groups

if TYPE_CHECKING:
    from .running import Run

log = logging.getLogger("operando.flow")


def micro_xrd(job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> None:
    """Reduce every scan, fit every map, and put the groups of docs/decisions/0002 into `groups`."""
    from operando.read import open_scans

    xrd = job.experiment.xrd
    assert xrd is not None
    counter = None if xrd.monitor in ("recorded", "none") else xrd.monitor
    found = open_scans(xrd.scans, dataset=xrd.dataset, motors=xrd.motors, monitor=counter)
    scans = _as_maps([_counted(scan, xrd) for scan in found], xrd)
    plan = plan_for(job.experiment, scans[0])
    check_flip(job, plan, scans[0])
    job.notes.extend(window_notes(plan.rings))
    if xrd.monitor != "none":
        _have_monitor(scans)
    grids = [grid_of(xrd, scan) for scan in scans]
    _same_size(scans, grids)
    total = sum(len(scan.frames) for scan in scans)
    size = " x ".join(map(str, scans[0].frames.shape))
    job.listener.say("frames", f"{len(scans)} map{'s' if len(scans) > 1 else ''}, {total:,} frames of {size}")
    begun = time.perf_counter()
    if job.team is not None:
        by_workers(job, plan, scans, grids)
    maps, done = [], 0
    for scan, grid in zip(scans, grids, strict=True):
        maps.append(_one_map(job, plan, scan, grid, done, total))
        done += len(scan.frames)
    seconds = time.perf_counter() - begun
    job.listener.say("", f"reduced and fitted in {seconds:.1f} s, {total / seconds:.0f} frames/s")
    groups.update(join_maps(maps, scans, grids))
    q = groups["xrd/pattern"]["q"].values
    groups["xrd/reflections"] = reflections(plan.rings, phases(job.experiment), (q[0], q[-1]))
    groups |= ring_groups(groups, plan, xrd)
    groups |= science_groups(job, groups)
    groups |= grain_groups(job, plan, scans, grids)
    groups |= epitaxy_groups(groups, job.experiment)
    if table is not None:
        groups |= clock_groups(job, table, groups)
        groups |= plating_groups(groups, job.experiment.model_dump())
    job.notes.extend(look_at(groups))


def ring_groups(groups: dict[str, xr.Dataset], plan: Plan, xrd: XrdSection) -> dict[str, xr.Dataset]:
    """How round each ring is, the ratio of its families, and the distance that the ring of a standard tells."""
    found = {}
    for ring in plan.rings:
        place = f"xrd/{ring.name}"
        found[f"{place}/sectors"] = roundness(groups[f"{place}/sectors"])
        if groups[place].sizes["family"] > 1:
            found[f"{place}/ratio"] = family_ratios(groups[place])
        if ring.name == xrd.standard:
            sectors = groups[f"{place}/sectors"]
            found["xrd/standard"] = standard_distance(sectors, ring, plan.geometry, xrd.standard_d_err_A)
    return found


def map_calls(job: Run, plan: Plan, scan: Scan, grid: ScanGrid) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """The stages of one scan: its parts, each by itself, and what is made of all of them."""
    parts = tuple(
        Call(
            reduce_frames, {"frames": scan.frames},
            {"reductions": plan.reductions, "rings": plan.rings, "start": start, "stop": stop}, "reduce",
        )
        for start, stop in parts_of(scan)
    )  # fmt: skip
    reduced = {"reduced": Parts(parts, plan.rings)}
    settings = {
        "grid": grid, "rings": plan.rings, "reference": plan.reference, "behind": plan.behind, "points": plan.points,
        "pixels": plan.pixels, "two_phases": tuple(sorted(two_phase_rings(job.experiment))),
    }  # fmt: skip
    around = Call(ring_around, reduced, {"rings": plan.rings}, "around")
    return parts, (around, Call(fit_map, reduced, settings, "map"))


def by_workers(job: Run, plan: Plan, scans: Sequence[Scan], grids: Sequence[ScanGrid]) -> None:
    """Have the stages of all scans made by the workers of the run; `_one_map` and `grain_groups` then find them."""
    assert job.team is not None
    assert job.experiment.xrd is not None
    job.listener.say("workers", str(job.team.workers))
    ring = grain_ring(job.experiment.xrd)
    batches = []
    for scan, grid in zip(scans, grids, strict=True):
        parts, fits = map_calls(job, plan, scan, grid)
        sizes = tuple(call.settings["stop"] - call.settings["start"] for call in parts)
        batches.append(Batch(scan.name, parts, sizes, fits))
        if ring is not None:
            batches.append(Batch(scan.name, (image_call(plan, ring, scan, grid),), (0,)))
    job.team.work(job.stages, batches, partial(job.listener.progress, "frames"))


def _one_map(
    job: Run, plan: Plan, scan: Scan, grid: ScanGrid, done: int, total: int
) -> dict[str, xr.Dataset]:
    parts, (around, fitted) = map_calls(job, plan, scan, grid)
    for call in parts:
        job.stages.ensure(call)
        if job.team is None:
            job.listener.progress("frames", done + call.settings["stop"], total)
    return {**job.stages.get(fitted), **job.stages.get(around)}


def _counted(scan: Scan, xrd: XrdSection) -> Scan:
    """With dead = "count" the values of dead pixels are counted like any other."""
    return replace(scan, frames=DeadCounted(scan.frames)) if xrd.dead == "count" else scan


def _as_maps(scans: list[Scan], xrd: XrdSection) -> list[Scan]:
    """A folder of images holds all maps one after the other: cut it by the size of the stated grid."""
    if len(scans) != 1 or xrd.grid is None:
        return scans
    size, count = xrd.grid.rows * xrd.grid.columns, len(scans[0].frames)
    if count <= size or count % size:
        return scans

    def cut(values: np.ndarray | None, first: int) -> np.ndarray | None:
        return None if values is None else values[first : first + size]

    return [
        replace(
            scans[0], name=f"{scans[0].name}, map {number}", frames=FrameCut(scans[0].frames, first, first + size),
            x_um=cut(scans[0].x_um, first), z_um=cut(scans[0].z_um, first), started_s=None,
        )
        for number, first in enumerate(range(0, count, size), 1)
    ]  # fmt: skip


def _have_monitor(scans: Sequence[Scan]) -> None:
    for scan in scans:
        if scan.frames.monitor is None:
            raise InputError(
                "no beam monitor was recorded, as it was in the first scan", where=scan.name,
                fix='Leave this scan out of xrd.scans, or write monitor = "none" under [xrd].',
            )  # fmt: skip


def _same_size(scans: Sequence[Scan], grids: Sequence[ScanGrid]) -> None:
    for scan, grid in zip(scans, grids, strict=True):
        if scan.frames.shape != scans[0].frames.shape:
            raise GridError(
                f"images are {scan.frames.shape}, those of the first scan {scans[0].frames.shape}", where=scan.name,
                fix="Analyse scans of different detectors in experiments of their own.",
            )  # fmt: skip
        if grid.shape != grids[0].shape:
            raise GridError(
                f"the map has {grid.shape[0]} x {grid.shape[1]} points, that of the first scan "
                f"{grids[0].shape[0]} x {grids[0].shape[1]}",
                where=scan.name, fix="Name maps of one size in xrd.scans, the others in an experiment of their own.",
            )  # fmt: skip
