"""A volume on disk while it is made: zarr v3 under a temporary name, renamed when whole."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from operando.core.errors import require_extra
from operando.core.projections import Projections
from operando.tomography.centre import Centre, Estimate
from operando.tomography.fourier_backproject import check_region
from operando.tomography.slabs import CHUNK, ReconSettings, rows_of

ARRAY = "attenuation"
TILE = 256
PURPOSE = "writing volumes"


def finished_key(output: Path) -> str | None:
    """The key of a finished volume; None where there is no volume of ours."""
    try:
        return str(json.loads((output / "zarr.json").read_text())["attributes"]["key"])
    except (OSError, KeyError, TypeError, ValueError):
        return None


class VolumeStore:
    """One zarr group: `attenuation` (z, y, x), coordinates in um, and attributes that say how it was made."""

    def __init__(self, output: Path, group: Any) -> None:
        self.output, self.group = output, group
        self.array = group[ARRAY]
        self.first = int(group.attrs["first_row"])

    @property
    def attrs(self) -> dict[str, Any]:
        return dict(self.group.attrs)

    @property
    def preview_path(self) -> Path:
        return self.output.with_suffix(".png")

    @staticmethod
    def partial(output: Path) -> Path:
        return output.with_name(output.name + ".partial")

    @classmethod
    def finished(cls, output: Path) -> VolumeStore:
        zarr = require_extra("zarr", "tomo", PURPOSE)
        return cls(output, zarr.open_group(output, mode="r"))

    @classmethod
    def open(cls, output: Path, key: str, projections: Projections, settings: ReconSettings) -> VolumeStore:
        """The unfinished volume of an earlier call with the same key, else a new one."""
        zarr = require_extra("zarr", "tomo", PURPOSE)
        partial = cls.partial(output)
        if partial.exists() and finished_key(partial) == key:
            return cls(output, zarr.open_group(partial, mode="r+"))
        shutil.rmtree(partial, ignore_errors=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        making = partial.with_name(partial.name + ".new")
        shutil.rmtree(making, ignore_errors=True)
        _create(zarr.open_group(making, mode="w", zarr_format=3), key, projections, settings)
        making.rename(partial)
        return cls(output, zarr.open_group(partial, mode="r+"))

    def centre(self) -> Centre | None:
        """The centre found by this or an earlier call."""
        held = self.group.attrs.get("centre")
        if held is None:
            return None
        facts = json.loads(str(held))
        return Centre(facts["value"], facts["err"], tuple(Estimate(**e) for e in facts["estimates"]))

    def begin(self, centre: Centre) -> None:
        self.group.attrs["centre"] = json.dumps(asdict(centre))
        self.array.attrs["centre_px"] = centre.value
        self.array.attrs["centre_px_err"] = centre.err

    def done(self) -> set[int]:
        """Rows that are written."""
        return {row for start, count, _ in self._journal() for row in range(start, start + count)}

    def notes(self) -> list[str]:
        """What earlier calls mended; of a finished volume, all notes."""
        if "notes" in self.group.attrs:
            return [str(n) for n in self.group.attrs["notes"]]
        said = [notes for _, _, notes in self._journal()]
        return [f"before the interruption: {n}" for n in said[-1]] if said else []

    def _journal(self) -> list:
        try:
            lines = (self.partial(self.output) / "journal").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines if line.endswith("]")]

    def write(self, row: int, slices: np.ndarray, notes: list[str]) -> None:
        """Store slices and then say so: a row is in the journal only when it is on disk."""
        start = row - self.first
        self.array[start : start + len(slices)] = slices
        with open(self.partial(self.output) / "journal", "a") as file:
            file.write(json.dumps([row, len(slices), notes]) + "\n")

    def finish(self, notes: list[str], run: dict[str, Any]) -> Path:
        """Write notes and preview, then give the volume its name."""
        from .recon_preview import write_preview

        self.group.attrs["notes"] = notes
        self.group.attrs["run"] = json.dumps(run)
        write_preview(self.array, float(self.array.attrs["voxel_um"]), self.preview_path)
        partial = self.partial(self.output)
        (partial / "journal").unlink(missing_ok=True)
        partial.rename(self.output)
        zarr = require_extra("zarr", "tomo", PURPOSE)
        self.group = zarr.open_group(self.output, mode="r")
        self.array = self.group[ARRAY]
        return self.preview_path


def _create(group: Any, key: str, projections: Projections, settings: ReconSettings) -> None:
    """The empty array, its coordinates and what is known before the work."""
    from operando import __version__

    first, end = rows_of(projections, settings)
    y0, y1, x0, x1 = check_region(settings.region, projections.columns)
    voxel = float(projections.pixel_um or np.nan)
    shape = (end - first, y1 - y0, x1 - x0)
    chunks = tuple(min(n, c) for n, c in zip(shape, (CHUNK, TILE, TILE), strict=True))
    array = group.create_array(
        ARRAY, shape=shape, chunks=chunks, dtype="float32", fill_value=np.nan, compressors=None,
        dimension_names=("z", "y", "x"),
    )  # fmt: skip
    array.attrs.update({
        "units": "1/cm", "long_name": "linear attenuation coefficient", "voxel_um": voxel,
        "orientation": "z: detector row; x cos t + y sin t = column - centre at angle t; y grows with its index",
        "missing": "NaN: not seen by all angles, or a dead detector row",
    })  # fmt: skip
    middle = (projections.columns - 1) / 2
    places = {"z": (np.arange(first, end), "along the axis, from the first detector row"),
              "y": (np.arange(y0, y1) - middle, "from the rotation axis"),
              "x": (np.arange(x0, x1) - middle, "from the rotation axis")}  # fmt: skip
    for name, (index, words) in places.items():
        axis = group.create_array(name, data=np.asarray(index * voxel, float), dimension_names=(name,))
        axis.attrs.update({"units": "um", "long_name": f"{name}, {words}"})
    group.attrs.update({
        "key": key, "first_row": first, "source": projections.name, "software": f"operando {__version__}",
        "settings": json.dumps(asdict(settings)), "started_s": projections.started_s,
    })  # fmt: skip
