"""Labels of a volume on disk while they are made: zarr under a temporary name, a journal, renamed when whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando import __version__
from operando.core import digest
from operando.core.errors import require_extra
from operando.read.volume_file import Box
from operando.tomography.learn.probability import UNKNOWN, Calibration

from .segmentation_known import Scan, filled, grown
from .segmentation_model import CHUNK, Classifier

VERSION = "1"
AS_TRAINED = Calibration()
SURE = 0.8  # paper 003 calls a voxel sure from here on


@dataclass(frozen=True)
class Segmented:
    """A segmented volume on disk, and what was counted while it was made.

    count, expected   voxels of each phase by label, and by the sum of probabilities; unknown: voxels that are no number
    unsure            share of the known voxels whose likeliest phase has a probability under 0.8
    """

    path: Path
    scan: Scan
    phases: tuple[str, ...]
    count: np.ndarray
    expected: np.ndarray
    unknown: int
    unsure: float
    confidence: float

    def labels(self, box: Box) -> xr.DataArray:
        """Labels of a box as of `most_likely`; 255 is not known."""
        zarr = require_extra("zarr", "tomo", "writing volumes")
        values = zarr.open_group(self.path, mode="r")["label"][box]
        z, y, x = ((np.arange(s.start, s.stop) + 0.5) * self.scan.voxel_um for s in box)
        return xr.DataArray(values, dims=("z", "y", "x"), coords={"z": z, "y": y, "x": x},
                            attrs={"phases": list(self.phases), "voxel_um": self.scan.voxel_um})  # fmt: skip

    def confidence_of(self, box: Box) -> np.ndarray:
        zarr = require_extra("zarr", "tomo", "writing volumes")
        return zarr.open_group(self.path, mode="r")["confidence"][box] / np.float32(255)


def segment_volume(
    scan: Scan, classifier: Classifier, target: Path, *, calibration: Calibration = AS_TRAINED, memory_gb: float = 2.0,
    progress: Callable[[int, int], None] | None = None,
) -> Segmented:  # fmt: skip
    """Labels (255 unknown) and confidence (255 is 1) of a volume, box by box; goes on where it was stopped.

    A finished volume of the same scan, classifier and calibration is found. Raises InputError for another scale.
    """
    key = digest(VERSION, scan.file.digest, scan.file.flip, classifier.digest, calibration)
    if _attrs(target).get("key") != key:
        classifier.check(scan)
        group, partial = _opened(target, key, scan, classifier)
        boxes = classifier.boxes(scan.file.shape, memory_gb)
        done = {tuple(entry["box"]): entry for entry in _journal(partial)}
        for number, box in enumerate(boxes, 1):
            edges = tuple(e for s in box for e in (s.start, s.stop))
            if edges not in done:
                done[edges] = {"box": edges, **_one(scan, classifier, calibration, box, group)}
                with open(partial / "journal", "a") as file:
                    file.write(json.dumps(done[edges]) + "\n")
            if progress:
                progress(number, len(boxes))
        group.attrs["counted"] = json.dumps(_summed(list(done.values())))
        (partial / "journal").unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    told = json.loads(_attrs(target)["counted"])
    return Segmented(
        target, scan, classifier.phases, np.array(told["count"]), np.array(told["expected"]), told["unknown"],
        told["unsure"], told["confidence"],
    )  # fmt: skip


def _one(
    scan: Scan, classifier: Classifier, calibration: Calibration, box: Box, group: Any
) -> dict[str, Any]:
    wide = grown(box, classifier.reach, scan.file.shape)
    values, bad = filled(scan.file.box(wide), scan.name)
    inner: Box = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True))  # type: ignore[assignment]
    p = calibration.apply(classifier.of_block(values, inner, scan.voxel_um))
    label, sure = p.argmax(0).astype(np.uint8), p.max(0)
    known = ~bad[inner]
    label[~known] = UNKNOWN
    sure[~known] = 0
    group["label"][box] = label
    group["confidence"][box] = np.rint(255 * sure).astype(np.uint8)
    return {
        "count": np.bincount(label[known], minlength=len(p)).tolist(),
        "expected": p[:, known].sum(1, dtype=np.float64).tolist(), "unknown": int((~known).sum()),
        "unsure": int((sure[known] < SURE).sum()), "confidence": float(sure[known].sum(dtype=np.float64)),
    }  # fmt: skip


def _summed(entries: list[dict[str, Any]]) -> dict[str, Any]:
    entries = sorted(
        entries, key=lambda e: list(e["box"])
    )  # the same sums in whatever order the boxes were made
    count = np.sum([e["count"] for e in entries], 0)
    known = max(int(count.sum()), 1)
    return {
        "count": count.tolist(), "expected": np.sum([e["expected"] for e in entries], 0).tolist(),
        "unknown": sum(e["unknown"] for e in entries), "unsure": sum(e["unsure"] for e in entries) / known,
        "confidence": sum(e["confidence"] for e in entries) / known,
    }  # fmt: skip


def _opened(target: Path, key: str, scan: Scan, classifier: Classifier) -> tuple[Any, Path]:
    """The unfinished labels of an earlier call, else new ones."""
    zarr = require_extra("zarr", "tomo", "writing volumes")
    partial = target.with_name(target.name + ".partial")
    if _attrs(partial).get("key") == key:
        return zarr.open_group(partial, mode="r+"), partial
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    group = zarr.open_group(partial, mode="w", zarr_format=3)
    about = {
        "label": "likeliest phase, 255 not known",
        "confidence": "probability of the likeliest phase times 255",
    }
    for name, words in about.items():
        array = group.create_array(
            name, shape=scan.file.shape, chunks=tuple(min(n, CHUNK) for n in scan.file.shape), dtype="uint8",
            fill_value=UNKNOWN if name == "label" else 0, dimension_names=("z", "y", "x"),
        )  # fmt: skip
        array.attrs.update({"units": "1" if name == "label" else "1/255", "long_name": words,
                            "voxel_um": scan.voxel_um, "phases": list(classifier.phases)})  # fmt: skip
    for axis, size in zip("zyx", scan.file.shape, strict=True):
        values = (np.arange(size) + 0.5) * scan.voxel_um
        group.create_array(axis, data=values, dimension_names=(axis,)).attrs["units"] = "um"
    group.attrs.update({
        "phases": list(classifier.phases), "source": scan.name, "classifier": classifier.kind,
        "software": f"operando {__version__}", "key": key,
    })  # fmt: skip
    return group, partial


def _attrs(path: Path) -> dict[str, Any]:
    try:
        found = json.loads((path / "zarr.json").read_text())["attributes"]
    except (OSError, KeyError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _journal(partial: Path) -> list[dict[str, Any]]:
    try:
        lines = (partial / "journal").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("}")]
