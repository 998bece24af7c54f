"""What the page asks of a run: read lazily from results.nxs, whole series of maps as float32."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from operando.core.errors import InputError, ReadError
from operando.core.flags import Flag
from operando.core.hdf5_heap import check_heaps
from operando.core.trust import MISLED
from operando.flow.painting import Painting
from operando.flow.store import FORMAT

from . import record
from .catalogue import Groups, Quantity, data_groups, dims_of, own, quantities, text, variables

#: bytes of arrays that are kept between questions
KEPT_BYTES = 600_000_000
PEAK = ("q", "width", "area", "background", "slope")
#: groups whose variables are told whole, and the dims of those
WHOLE = (
    ("xrd/pattern", ("time", "q")), ("/image", ("time", "azimuth", "q")),
    ("tomography/sections", ("time", "x")), ("tomography/sections", ("time", "y")),
)  # fmt: skip
AGAIN = "Run the experiment again: stages that were finished are found, and the file is written anew."


class RunData:
    """A run folder as the page sees it. Reads nothing but its results.nxs; a rewritten file is a new version."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.file = folder / "results.nxs" if folder.is_dir() else folder
        self.folder = self.file.parent
        self.painting = Painting(self.folder)
        self._lock = threading.RLock()
        self._version = ""
        self._names: list[str] = []
        self._catalogue: dict[str, Quantity] = {}
        self._kept: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()

    def paint_on(self, volumes: Sequence[Path]) -> None:
        """Volumes beside the run's own that may be painted on. Raises `ReadError` for what is none."""
        self.painting = Painting(self.folder, tuple(volumes))
        for number in range(len(self.painting.paths())):
            self.painting.volume(number)

    def state(self) -> dict[str, Any]:
        """Version of the results and their age in s. Raises `InputError` where there are none."""
        try:
            told = self.file.stat()
        except OSError:
            raise InputError(
                "no results here",
                where=str(self.file),
                fix="Give a run folder, or wait until its first results.",
            ) from None
        return {"version": _version(told),
                "age_s": max(0.0, time.time() - told.st_mtime), "folder": self.folder.resolve().name}  # fmt: skip

    @staticmethod
    def _version_of(file: h5py.File) -> str:
        """Version of the file that is open, whatever lies at its path by now."""
        return _version(os.fstat(file.id.get_vfd_handle()))

    def overview(self) -> dict[str, Any]:
        """Title, notes, quantities with their grids, cycler record, rings, and which groups there are."""
        return self.ask(self._overview)

    def maps(self, name: str) -> tuple[dict[str, Any], list[np.ndarray]]:
        """A series of maps (step, row, column): values and errors (float32), flags (uint16), as far as they exist."""
        return self.ask(lambda groups: self._maps(groups, name))

    def array(self, group: str, variable: str) -> tuple[dict[str, Any], list[np.ndarray]]:
        """A whole variable over time and q, or time, azimuth and q, as float32."""
        return self.ask(lambda groups: self._array(groups, group, variable))

    def peak(self, ring: str, row: int, column: int) -> dict[str, Any]:
        """Fitted position, width, area and background of a point at all times, family by family."""
        return self.ask(lambda groups: self._peak(groups, ring, row, column))

    def pattern(
        self, step: int, rows: tuple[int, int], columns: tuple[int, int]
    ) -> tuple[dict, list[np.ndarray]]:
        """Mean pattern of the points of a rectangle (both ends belong to it), and its error, float32."""
        return self.ask(lambda groups: self._pattern(groups, step, rows, columns))

    def tracks(self) -> dict[str, Any]:
        """Grains seen in each map, and the track each belongs to."""
        return self.ask(record.tracks)

    def ask(self, question: Callable[[Groups], Any]) -> Any:
        """Answer of `question` to the groups of the file as it is now. Raises `ReadError` for a damaged file."""
        version = self.state()["version"]
        try:
            if version != self._version:
                check_heaps(self.file)
            with self._lock, h5py.File(self.file, "r", locking=False) as file:
                version = self._version_of(file)
                if file.attrs.get("format") != FORMAT:
                    raise ReadError(
                        "not a results file of operando", where=str(self.file), fix="Give a run folder."
                    )
                if version != self._version:
                    self._names = data_groups(file["entry"])
                    self._catalogue = quantities(Groups(file["entry"], self._names))
                    self._kept.clear()
                    self._version = version
                return question(Groups(file["entry"], self._names))
        except (OSError, MemoryError, *MISLED) as error:
            raise ReadError(f"cut short or damaged ({error})", where=str(self.file), fix=AGAIN) from error

    def _overview(self, groups: Groups) -> dict[str, Any]:
        told = json.loads(groups.entry["record"][()]) if groups else {}
        grids: dict[str, Any] = {}
        listed = []
        experiment = told.get("experiment", {})
        named = [f"xrd/{ring.get('name')}" for ring in (experiment.get("xrd") or {}).get("rings") or []]
        for quantity in sorted(self._catalogue.values(), key=lambda one: _turn(one.group, named)):
            key = " ".join([quantity.group, *quantity.dims])
            if key not in grids:
                grids[key] = record.grid(groups[quantity.group], quantity.dims, groups.get("xrd"))
            listed.append({**quantity.told(), "grid": key})
        return {
            "title": str(told.get("title", "")), "notes": told.get("notes", []), "folder": self.folder.resolve().name,
            "quantities": listed, "grids": grids, "groups": sorted(groups),
            "rings": record.rings(groups, experiment),
            "clock": record.clock(groups), "reflections": record.reflections(groups),
            "live": record.live(groups), "alerts": record.alerts(groups),
            "flags": {int(flag): str(flag.name).lower().replace("_", " ") for flag in Flag if flag},
        }  # fmt: skip

    def _maps(self, groups, name: str) -> tuple[dict[str, Any], list[np.ndarray]]:
        if name not in self._catalogue:
            raise InputError(f"no quantity called {name!r}", where=str(self.file))
        quantity = self._catalogue[name]
        group = groups[quantity.group]
        shape: tuple[int, ...] = ()
        parts: list[np.ndarray] = []
        for variable, kind in ((quantity.variable, "f4"), (quantity.error, "f4"), (quantity.flag, "u2")):
            if variable:
                values = self._laid_out(group, variable, quantity)
                shape = shape or values.shape
                parts.append(np.ascontiguousarray(np.broadcast_to(values, shape), dtype=kind))
        return {"shape": shape, "has_error": bool(quantity.error), "has_flag": bool(quantity.flag)}, parts

    def _laid_out(self, group: h5py.Group, variable: str, quantity: Quantity) -> np.ndarray:
        """Values over (step, row, column); a dim that a flag lacks has length one."""
        item = variables(group)[variable]
        dims, values = list(dims_of(item)), self._whole(group, variable)
        for dim, index, _ in quantity.labels:
            if dim in dims:
                values = values.take(index, axis=dims.index(dim))
                dims.remove(dim)
        values = values.transpose([dims.index(dim) for dim in quantity.dims if dim in dims])
        missing = [i for i, dim in enumerate(quantity.dims) if dim not in dims]
        return np.expand_dims(values, missing) if missing else values

    def _whole(self, group: h5py.Group, variable: str) -> np.ndarray:
        """All of a variable, in single precision where it is a float, kept for the next question."""
        key = (group.name, variable)
        if key not in self._kept:
            values = variables(group)[variable][()]
            self._kept[key] = values.astype(np.float32) if values.dtype.kind == "f" else values
            while len(self._kept) > 1 and sum(v.nbytes for v in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _array(self, groups, name: str, variable: str) -> tuple[dict[str, Any], list[np.ndarray]]:
        item = variables(groups[name]).get(variable) if name in groups else None
        wanted = next(
            (
                w
                for ending, w in WHOLE
                if name.endswith(ending) and item is not None and set(w) == set(dims_of(item))
            ),
            None,
        )
        if item is None or wanted is None:
            raise InputError(f"no pattern, ring image or line called {name}:{variable}", where=str(self.file))
        dims = dims_of(item)
        values = self._whole(groups[name], variable).transpose([dims.index(dim) for dim in wanted])
        axes = {
            dim: record.numbers(groups[name], dim, size)
            for dim, size in zip(wanted, values.shape, strict=True)
        }
        about = {"shape": values.shape, "dims": wanted, "axes": axes, "units": text(item, "units")}
        return about, [np.ascontiguousarray(values, dtype="f4")]

    def _peak(self, groups, ring: str, row: int, column: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for quantity in self._catalogue.values():
            if quantity.group != f"xrd/{ring}" or quantity.variable not in PEAK or len(quantity.labels) != 1:
                continue
            values = self._laid_out(groups[quantity.group], quantity.variable, quantity)
            _inside(row, values.shape[1], "row")
            _inside(column, values.shape[2], "column")
            family = found.setdefault(quantity.labels[0][2], {"units": {}})
            family[quantity.variable] = record.plain(values[:, row, column])
            family["units"][quantity.variable] = quantity.units
            if quantity.variable == "q" and quantity.error:
                errors = self._laid_out(groups[quantity.group], quantity.error, quantity)
                family["q_err"] = record.plain(errors[:, row, column])
        return {"ring": ring, "families": found}

    def _pattern(self, groups, step: int, rows: tuple[int, int], columns: tuple[int, int]):
        item = own(groups["points"], "intensity") if "points" in groups else None
        if item is None or dims_of(item) != ("time", "z", "x", "q"):
            raise InputError("patterns of single points were not kept", where=str(self.file),
                             fix="Write point_patterns = true under [xrd] and run again.")  # fmt: skip
        _inside(step, item.shape[0], "time")
        for ends, size, what in ((rows, item.shape[1], "row"), (columns, item.shape[2], "column")):
            for end in ends:
                _inside(end, size, what)
        box = (step, slice(rows[0], rows[1] + 1), slice(columns[0], columns[1] + 1))
        values = np.asarray(item[box], float).reshape(-1, item.shape[3])
        error = own(groups["points"], "intensity_err")
        variance = (
            np.full_like(values, np.nan)
            if error is None
            else np.asarray(error[box], float).reshape(values.shape) ** 2
        )
        seen = np.isfinite(values)
        number = np.maximum(seen.sum(0), 1)
        mean = np.where(seen.any(0), np.where(seen, values, 0).sum(0) / number, np.nan)
        spread = np.sqrt(np.where(seen, variance, 0).sum(0)) / number
        about = {"shape": [2, item.shape[3]], "q": record.numbers(groups["points"], "q", item.shape[3]),
                 "units": text(item, "units"), "points": int(seen.any(1).sum())}  # fmt: skip
        return about, [np.stack([mean, spread]).astype("f4")]


def _turn(group: str, rings: list[str]) -> int:
    """Lithium content first, then the rings in the order of the experiment file, then all else."""
    return -1 if group == "lithium" else rings.index(group) if group in rings else len(rings)


def _version(told: os.stat_result) -> str:
    return f"{told.st_mtime_ns:x}-{told.st_size:x}-{told.st_ino:x}"


def _inside(index: int, size: int, what: str) -> None:
    if not 0 <= index < size:
        raise InputError(
            f"there is no {what} {index}: it goes from 0 to {size - 1}", where="the question of the page"
        )
