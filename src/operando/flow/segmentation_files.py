"""Segmentation of files, without an experiment: what `operando segment` calls."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from operando.core.errors import InputError
from operando.read.volume_file import open_volume

from .segmentation_known import Known, Scan, read_known
from .segmentation_model import ForestSettings, NetSettings, Settings, read_classifier, train
from .segmentation_store import AS_TRAINED, Calibration, Segmented, segment_volume


def train_files(
    volumes: Sequence[Path], labels: Sequence[Path], phases: Sequence[str] | None, method: str, output: Path, *,
    voxel_um: float | None = None, how: dict[str, Any], tell: Callable[[dict[str, float]], None] | None = None,
) -> tuple[Path, str]:  # fmt: skip
    """Train on pairs of volume and labels; returns the file of the model and a sentence on it.

    output   `.npz` (forest) or `.pt` (U-Net) is added. Beside it, in `output`.parts, an unfinished training waits to be
             taken up by the same call.

    Raises InputError for numbers of files that differ, an unknown voxel size, labels of fewer than two phases.
    """
    if len(volumes) != len(labels):
        raise InputError(f"{len(volumes)} volumes, {len(labels)} files of labels", where="segment train",
                         fix="Give --labels once for every volume, in the same order.")  # fmt: skip
    if phases is not None and len(set(phases)) < len(phases):
        raise InputError(f"one name is there twice: {', '.join(phases)}", where="phases",
                         fix="Give every label its own name.")  # fmt: skip
    known: list[Known] = []
    for number, (volume, file) in enumerate(zip(volumes, labels, strict=True), 1):
        if not file.exists():
            raise InputError("no such file", where=str(file))
        known += read_known(file, _scan(volume, number, voxel_um), phases)
    settings: Settings = ForestSettings(**how) if method == "forest" else NetSettings(**how)
    parts = output.with_name(output.name + ".parts")
    made = train(known, settings, parts / method, tell=tell)
    ending = ".pt" if made.is_net else ".npz"
    target = output if output.suffix == ending else output.with_name(output.name + ending)
    source = max(parts.glob(f"{method}-{made.digest[:12]}{ending}"))
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
    shutil.rmtree(parts, ignore_errors=True)
    return target, f"{made.kind}, of {', '.join(made.phases)}"


def predict_file(
    model: Path, volume: Path, folder: Path, *, voxel_um: float | None = None, memory_gb: float = 2.0,
    calibration: Calibration = AS_TRAINED, progress: Callable[[int, int], None] | None = None,
) -> Segmented:  # fmt: skip
    """Labels of a volume in `folder`/NAME.zarr, where they are not there yet. Raises InputError for another scale."""
    classifier = read_classifier(model)
    scan = _scan(volume, 1, voxel_um)
    target = folder / f"{scan.name}.zarr"
    return segment_volume(
        scan, classifier, target, calibration=calibration, memory_gb=memory_gb, progress=progress
    )


def _scan(path: Path, number: int, voxel_um: float | None) -> Scan:
    file = open_volume(path)
    voxel = voxel_um if voxel_um is not None else file.voxel_um
    if voxel is None:
        raise InputError("the voxel size is not known", where=str(path), fix="Give --voxel 1.7 (um).")
    return Scan(file, number, float(voxel), float(np.nan))
