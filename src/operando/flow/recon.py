"""Projections to a volume on disk: checked before it starts, in bounded memory, resumed where it was stopped."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from operando.core import digest
from operando.core.errors import InputError, OperandoError
from operando.core.projections import Projections
from operando.tomography.centre import Centre
from operando.tomography.centre_scan import find_centre
from operando.tomography.correct import Mended
from operando.tomography.flats import FlatPlan, plan_flats
from operando.tomography.fourier_backproject import check_region
from operando.tomography.projections_used import usable
from operando.tomography.slabs import ReconSettings, SlabPlan, plan_slabs, reconstruct_slabs, rows_of

from .recon_store import VolumeStore, finished_key

log = logging.getLogger("operando.flow")
VERSION = "2"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reconstruction:
    """Where the volume is, and how it came about.

    centre    the value and both ways' estimates; estimates are empty where the user gave it
    notes     sentences on everything assumed, mended or left out
    seconds   of the whole work, reading and writing included (this call only)
    slices_per_s, memory_bytes   rate with input and output, and the planned limit of arrays held
    """

    path: Path
    preview: Path
    centre: Centre
    notes: tuple[str, ...]
    seconds: float
    slices_per_s: float
    memory_bytes: int


def reconstruct(
    projections: Projections, output: str | Path, settings: ReconSettings | None = None, *,
    progress: Progress | None = None, overwrite: bool = False,
) -> Reconstruction:  # fmt: skip
    """Reconstruct a scan to `output` (a zarr v3 group: array `attenuation` over z, y, x in 1/cm, float32).

    The disk is checked before any work. A call that was stopped continues when repeated; a finished volume of the
    same scan and settings is found, not made again. A preview (three sections) is written beside it as PNG.

    Raises `InputError` for an output that holds another volume (unless `overwrite`), an unknown pixel size, flats,
    angles or memory that do not do, `CentreError` for an ambiguous centre, `OperandoError` for a disk too small.
    """
    begun = time.perf_counter()
    settings = settings or ReconSettings()
    output = Path(output)
    key = digest(VERSION, projections.digest, _lasting(settings))
    if _finished(output, key, overwrite):
        return _found(output, begun)
    slabs = plan_slabs(projections, settings)
    require_space(output, projections, settings)
    flats = plan_flats(projections)
    keep, said = usable(projections, flats, partial=settings.partial)
    notes = [*projections.notes, *flats.notes, *said]
    store = VolumeStore.open(output, key, projections, settings)
    centre = store.centre() or _centre(projections, flats, keep, settings, slabs.threads)
    store.begin(centre)
    mended, earlier = Mended(), store.notes()
    made = _write_slabs(store, projections, flats, slabs, settings, centre, keep, mended, progress)
    seconds = time.perf_counter() - begun
    notes += [*earlier, *mended.notes()]
    preview = store.finish(notes, {"seconds": seconds, "threads": slabs.threads, "memory_bytes": slabs.bytes})
    return Reconstruction(output, preview, centre, tuple(notes), seconds, made / seconds, slabs.bytes)


def _lasting(settings: ReconSettings) -> dict[str, Any]:
    """Settings that change the volume."""
    machine = ("threads", "memory_gb", "device")
    return {k: v for k, v in asdict(settings).items() if k not in machine}


def _centre(
    projections: Projections, flats: FlatPlan, keep: np.ndarray, settings: ReconSettings, threads: int
) -> Centre:
    if settings.centre is not None:
        return Centre(float(settings.centre), 0.0, ())
    return find_centre(
        projections, flats, keep=keep, rows=slice(*rows_of(projections, settings)), threads=threads,
        tolerance_px=settings.centre_tolerance_px, pairs_required=not settings.partial,
    )  # fmt: skip


def _write_slabs(
    store: VolumeStore, projections: Projections, flats: FlatPlan, slabs: SlabPlan, settings: ReconSettings,
    centre: Centre, keep: np.ndarray, mended: Mended, progress: Progress | None,
) -> int:  # fmt: skip
    """Write what is missing; returns how many slices were made."""
    first, end = rows_of(projections, settings)
    done = store.done()
    todo = SlabPlan(
        tuple(s for s in slabs.slabs if not set(range(*s)) <= done), slabs.threads, slabs.bytes
    )  # fmt: skip
    count = (end - first) - sum(e - s for s, e in todo.slabs)
    made = 0
    for row, slices in reconstruct_slabs(
        projections, flats, todo, settings, centre.value, keep, mended=mended
    ):  # fmt: skip
        store.write(row, slices, mended.notes())
        made += len(slices)
        count += len(slices)
        if progress is not None:
            progress(count, end - first)
    return made


def volume_bytes(projections: Projections, settings: ReconSettings) -> int:
    """Size of the volume on disk (float32, not compressed)."""
    first, end = rows_of(projections, settings)
    y0, y1, x0, x1 = check_region(settings.region, projections.columns)
    return 4 * (end - first) * (y1 - y0) * (x1 - x0)


def require_space(output: Path, projections: Projections, settings: ReconSettings) -> None:
    """Raise `OperandoError` where the disk of `output` has no room for what is still to be written."""
    folder = next(p for p in (output.absolute().parent, *output.absolute().parents) if p.exists())
    partial = VolumeStore.partial(output)
    held = sum(f.stat().st_size for f in partial.rglob("*") if f.is_file()) if partial.exists() else 0
    need = int(1.02 * volume_bytes(projections, settings)) + 20_000_000 - held
    free = shutil.disk_usage(folder).free
    if need > free:
        raise OperandoError(
            f"the volume needs {need / 1e9:.2f} GB, the disk has {free / 1e9:.2f} GB free", where=str(folder),
            fix="Nothing was written. Free some space, choose another --output, or a smaller region or fewer rows.",
        )  # fmt: skip


def _finished(output: Path, key: str, overwrite: bool) -> bool:
    """Whether the volume asked for is there. Raises `InputError` where another one is."""
    if not output.exists():
        return False
    there = finished_key(output)
    if there == key:
        return True
    if not overwrite or there is None:
        what = (
            "a volume of another scan or other settings" if there else "something that is no volume of ours"
        )
        raise InputError(
            f"{what} is there already", where=str(output),
            fix="Choose another --output" + (", or --overwrite it." if there else "."),
        )  # fmt: skip
    shutil.rmtree(output)
    return False


def _found(output: Path, begun: float) -> Reconstruction:
    store = VolumeStore.finished(output)
    seconds = time.perf_counter() - begun
    log.info("%s: found, made earlier with the same settings", output)
    return Reconstruction(
        output, store.preview_path, store.centre() or Centre(np.nan, np.nan, ()), tuple(store.notes()), seconds, 0.0,
        int(json.loads(store.attrs.get("run", "{}")).get("memory_bytes", 0)),
    )  # fmt: skip
