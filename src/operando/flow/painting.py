"""What the page of the dashboard paints on: slices of volumes, strokes kept in the run folder, quick predictions."""

from __future__ import annotations

import json
import os
import secrets
import threading
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core.errors import InputError
from operando.read.volume_file import Box, VolumeFile, open_volume

from .painting_strokes import AXES, checked
from .segmentation_known import Known, Scan, filled, grown, read_known, read_strokes
from .segmentation_model import ForestSettings, scale_of, train_forest

FOLDER = "painting"
PHASES = ["void", "lithium", "solid"]
QUICK = ForestSettings(dimensions=2, sigmas=(0.7, 1.4, 2.8, 5.6), trees=30, depth=14)
WINDOW = 320  # of the slices in which places to paint next are looked for
SLICES = 8


@dataclass
class Painting:
    """The volumes of a run folder (RUN/volumes, and `more` that a person named), and the strokes in RUN/painting.

    Reads the volumes and writes RUN/painting/VOLUME.json, nothing else. Volumes are known by their place in the list:
    no name that a page sends becomes a path.
    """

    folder: Path
    more: tuple[Path, ...] = ()
    models: dict[str, Any] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def paths(self) -> list[Path]:
        from operando.read.hdf5 import natural

        here = self.folder / "volumes"
        own = [] if here.is_symlink() or not here.is_dir() else list(here.glob("*.zarr"))
        own = [
            p for p in own if not p.is_symlink() and "_half_" not in p.stem and (p / "zarr.json").is_file()
        ]
        return sorted(own, key=lambda p: natural(p.name)) + list(self.more)

    def volume(self, number: int) -> VolumeFile:
        paths = self.paths()
        if not 0 <= number < len(paths):
            raise InputError(f"there is no volume {number}", where="the question of the page")
        return open_volume(paths[number])

    def about(self) -> dict[str, Any]:
        """Names, shapes and voxels of the volumes, the phases, and the strokes of each volume."""
        volumes, phases = [], []
        for path in self.paths():
            file = open_volume(path)
            strokes: list = []
            if self._file(file).is_file():
                told = read_strokes(self._file(file))
                strokes = told["strokes"] if list(told["shape"]) == list(file.shape) else []
                phases += [p for p in told["phases"] if p not in phases]
            volumes.append({
                "name": file.name, "shape": list(file.shape), "voxel_um": file.voxel_um, "units": file.units,
                "strokes": strokes,
            })  # fmt: skip
        named = self._named()
        return {"volumes": volumes, "phases": named + [p for p in phases if p not in named] or PHASES,
                "trained": sorted(self.models)}  # fmt: skip

    def _named(self) -> list[str]:
        """The phases of [segmentation] of the run, where it has them."""
        try:
            told = tomllib.loads((self.folder / "experiment.toml").read_text(encoding="utf-8"))
            return [str(p) for p in told["segmentation"]["phases"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def slice(self, number: int, axis: int, at: int) -> tuple[dict[str, Any], np.ndarray]:
        """Grey values of a slice as uint16 between the limits told (0.05 to 99.95 % of the volume)."""
        file = self.volume(number)
        values, bad = filled(file.box(plane(file, axis, at)), file.name)
        values = values.squeeze(axis)
        low, high = np.percentile(file.sample(), [0.05, 99.95])
        scaled = np.clip((values - low) / max(high - low, 1e-30), 0, 1) * 65534 + 1
        scaled[bad.squeeze(axis)] = 0  # no number
        return {"shape": list(values.shape), "low": float(low), "high": float(high)}, scaled.astype(np.uint16)

    def save(self, number: int, sent: bytes) -> dict[str, Any]:
        """Keep the strokes of a volume, whole or not at all. Raises `InputError` for what is no strokes of it."""
        file = self.volume(number)
        told = checked(sent, file)
        place = self.folder / FOLDER
        if place.is_symlink():
            raise InputError(
                "the folder of strokes is a link", where=str(place), fix="Make it a folder of the run."
            )
        place.mkdir(exist_ok=True)
        target = self._file(file)
        partial = place / f".{target.name}.{secrets.token_hex(6)}.partial"
        try:
            with open(partial, "x", encoding="utf-8") as out:
                json.dump(told, out, separators=(",", ":"))
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        return {"saved": f"{FOLDER}/{target.name}", "strokes": len(told["strokes"])}

    def _file(self, file: VolumeFile) -> Path:
        return self.folder / FOLDER / f"{file.name}.json"

    def train(self, axis: int) -> dict[str, Any]:
        """A quick forest of features within slices across `axis`, of all strokes that are kept."""
        with self.lock:
            known: list[Known] = []
            names: list[str] = []
            files = [open_volume(p) for p in self.paths()]
            painted = [f for f in files if self._file(f).is_file()]
            for file in painted:
                for stroke in read_strokes(self._file(file))["strokes"]:
                    if stroke["phase"] and stroke["phase"] not in names:
                        names.append(stroke["phase"])
            order = [p for p in self.about()["phases"] if p in names]
            for number, file in enumerate(painted, 1):
                if read_strokes(self._file(file))["strokes"]:
                    scan = Scan(file, number, file.voxel_um or 1.0, 0.0)
                    known += [turned(k, axis) for k in read_known(self._file(file), scan, order)]
            if not known:
                raise InputError(
                    "nothing is painted yet", where=FOLDER, fix="Paint strokes of two phases, then train."
                )
            forest = train_forest(known, QUICK, scale_of(known), most=20_000)
            self.models[AXES[axis]] = forest
            return {
                "phases": list(forest.phases), "accuracy": forest.facts["out_of_bag_accuracy"],
                "painted": forest.facts["painted"],
            }  # fmt: skip

    def preview(self, number: int, axis: int, at: int) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Likeliest phase and its probability (x 255) of every voxel of a slice, uint8."""
        forest, file = self._model(axis), self.volume(number)
        p = self._probabilities(forest, file, axis, plane(file, axis, at))[:, 0]
        return (
            {"shape": list(p.shape[1:]), "phases": list(forest.phases), "share": p.mean((1, 2)).tolist()},
            [p.argmax(0).astype(np.uint8), np.rint(255 * p.max(0)).astype(np.uint8)],
        )

    def suggest(self, number: int, axis: int, count: int = 6) -> dict[str, Any]:
        """Places of which the quick forest is least sure, in a part of some slices across `axis`."""
        forest, file = self._model(axis), self.volume(number)
        rng = np.random.default_rng(len(forest.trees["feature"]))
        places = []
        for at in np.unique(np.linspace(0, file.shape[axis] - 1, SLICES + 2).astype(int)[1:-1]):
            box = list(plane(file, axis, int(at)))
            for other in range(3):
                n = file.shape[other]
                if other != axis and n > WINDOW:
                    start = int(rng.integers(n - WINDOW + 1))
                    box[other] = slice(start, start + WINDOW)
            p = self._probabilities(forest, file, axis, tuple(box))  # type: ignore[arg-type]
            found = tomo.suggest_strokes(
                xr.DataArray(p, dims=("phase", "z", "y", "x"), coords={"phase": list(forest.phases)}),
                number=3,
            )
            corner = [s.start for k, s in enumerate(box) if k != axis]
            places += [
                {"slice": int(at), "row": int(row) + corner[0], "column": int(column) + corner[1],
                 "entropy": float(entropy), "first": str(first), "second": str(second)}
                for row, column, entropy, first, second in zip(
                    *(found[n].values for n in ("y_index", "x_index", "entropy", "first", "second")), strict=True
                )
            ]  # fmt: skip
        return {"places": sorted(places, key=lambda p: -p["entropy"])[:count]}

    def _model(self, axis: int) -> tomo.PixelForest:
        if AXES[axis] not in self.models:
            raise InputError(
                "nothing is trained for slices across this axis yet", where="preview", fix="Train first."
            )
        return self.models[AXES[axis]]

    @staticmethod
    def _probabilities(forest: tomo.PixelForest, file: VolumeFile, axis: int, box: Box) -> np.ndarray:
        """(phase, 1, row, column) of one slice or a part of it."""
        reach = [0 if a == axis else forest.features.reach for a in range(3)]
        wide = grown(box, reach, file.shape)
        values, _ = filled(file.box(wide), file.name)
        inner = [slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True)]
        order = [axis, *(a for a in range(3) if a != axis)]
        return forest.of_block(values.transpose(order), tuple(inner[a] for a in order))


def plane(file: VolumeFile, axis: int, at: int) -> Box:
    """The box of one slice. Raises `InputError` beyond the volume."""
    if axis not in (0, 1, 2) or not 0 <= at < file.shape[axis]:
        raise InputError("there is no such slice", where="the question of the page")
    a, b, c = (slice(at, at + 1) if k == axis else slice(0, n) for k, n in enumerate(file.shape))
    return a, b, c


def turned(known: Known, axis: int) -> Known:
    """The same labels in a volume whose first axis is `axis`."""
    order = [axis, *(a for a in range(3) if a != axis)]
    back = np.argsort(order)
    file = known.scan.file

    def get(box: Box) -> np.ndarray:
        z, y, x = (box[k] for k in back)
        return file.box((z, y, x)).transpose(order)

    a, b, c = (file.shape[k] for k in order)
    other = replace(file, shape=(a, b, c), get=get, flip=False)
    u, v, w = (known.box[k] for k in order)
    return Known(replace(known.scan, file=other), (u, v, w), known.labels.transpose(order), known.phases)
