"""The experiment file: one TOML, checked, with errors that name line, key and what was expected."""

from __future__ import annotations

import glob
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from operando.core import Cell, Layer, Phase
from operando.core.errors import ExperimentError

from .toml_lines import describe, line_of

Number = Annotated[float, Field(strict=True)]  # "8" and true are no numbers
Whole = Annotated[int, Field(strict=True)]
Switch = Annotated[bool, Field(strict=True)]
Positive = Annotated[Number, Field(gt=0)]
Side = Annotated[Whole, Field(gt=0, le=20_000)]
Degrees = Annotated[Number, Field(ge=-360, le=360)]
Word = Annotated[str, Field(min_length=1)]

#: names that the sums and groups of an analysis already have
TAKEN = ("pattern", "monitor", "total_counts", "reflections")
#: points of a map: more is a slip of the pen
MOST_POINTS = 10_000_000


class Section(BaseModel):
    """Every table of the file: unknown keys are errors, values cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LayerSection(Section):
    name: str
    thickness_um: Annotated[Number, Field(ge=0)]
    phase: str | None = None


class CellSection(Section):
    """Layers from the substrate up, and the active area."""

    area_cm2: Positive
    layers: list[LayerSection] = Field(min_length=1)

    def build(self) -> Cell:
        return Cell(tuple(Layer(**layer.model_dump()) for layer in self.layers), self.area_cm2)


class PhaseSection(Section):
    """Either `cif`, or a space group with the cell parameters (angstrom, degrees) that it leaves free."""

    a: Positive | None = None
    b: Positive | None = None
    c: Positive | None = None
    alpha: Annotated[Positive, Field(lt=180)] = 90.0
    beta: Annotated[Positive, Field(lt=180)] = 90.0
    gamma: Annotated[Positive, Field(lt=180)] | None = None
    spacegroup: str | None = None
    cif: Word | None = None

    @model_validator(mode="after")
    def one_form(self):
        if (self.cif is None) == (self.a is None or self.spacegroup is None):
            raise ValueError("a phase needs either cif, or spacegroup and a (with b, c where they are free)")
        return self

    def build(self, name: str) -> Phase:
        if self.cif is not None:
            return Phase.from_cif(self.cif, name)
        values = self.model_dump(exclude={"cif"}, exclude_none=True)
        return Phase.from_parameters(name, **values)


class CyclerSection(Section):
    """The cycler's record (one file, or several that follow each other) and its clock minus the detector's."""

    file: Word | Annotated[list[Word], Field(min_length=1)]
    zone: str | None = None
    start: str | None = None
    current_sign: Literal[1, -1] = 1
    clock_offset_s: Number | Literal["find", "none"] = 0.0
    clock_offset_err_s: Annotated[Number, Field(ge=0)] = 0.0
    clock_drift: Annotated[Number, Field(gt=-0.01, lt=0.01)] | Literal["find"] = 0.0
    clock_guess_s: Number = 0.0
    clock_search_s: Positive = 600.0
    clock_window_s: Positive = 3600.0
    clock_signal: Word | None = None
    clock_events: list[Annotated[Whole, Field(ge=1)]] | None = None


class ImpedanceSection(Section):
    """Impedance files of the cell; area is that of [cell] where not given here."""

    files: Word | Annotated[list[Word], Field(min_length=1)]
    zone: str | None = None
    circuit: str | None = None
    bulk: Word = "R0"
    area_cm2: Positive | None = None
    thickness_um: Positive | None = None
    interfaces: Annotated[Whole, Field(gt=0)] = 1


class GridSection(Section):
    rows: Side
    columns: Side
    step_z_um: Number
    step_x_um: Number
    order: Literal["same", "snake"] = "same"

    @field_validator("step_z_um", "step_x_um")
    @classmethod
    def not_zero(cls, value: float) -> float:
        if value == 0:
            raise ValueError("a step cannot be zero")
        return value

    @model_validator(mode="after")
    def of_human_size(self):
        if self.rows * self.columns > MOST_POINTS:
            raise ValueError(f"{self.rows} x {self.columns} is more than {MOST_POINTS:,} points")
        return self


class RingSection(Section):
    """A ring to follow. `families` are groups of azimuths (degrees, 0 along +x, 90 along +z) fitted together."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    phase: str
    hkl: tuple[Whole, Whole, Whole]
    families: dict[Word, Annotated[list[Degrees], Field(min_length=1)]] = {}
    half_width_deg: Annotated[Number, Field(gt=0, le=180)] = 10.0
    q_range: tuple[Positive, Positive] | None = None
    q_bins: Annotated[Whole, Field(ge=8, le=2000)] | None = None
    shape: Literal["gaussian", "pseudo-voigt"] = "gaussian"
    phases: Literal[1, 2] = 1
    front: Literal["lattice", "fraction"] | None = None
    layer: Switch = False
    grains: Switch = False

    @model_validator(mode="after")
    def fraction_of_two(self):
        if self.front == "fraction" and self.phases != 2:
            raise ValueError('front = "fraction" needs phases = 2 in the same ring')
        return self

    @field_validator("name")
    @classmethod
    def free(cls, value: str) -> str:
        if value in TAKEN:
            raise ValueError(f"a ring cannot be called so, the results have another {value!r}")
        return value

    @field_validator("q_range")
    @classmethod
    def ascending(cls, value):
        if value is not None and value[0] >= value[1]:
            raise ValueError("q_range must be [lowest, highest] in 1/angstrom")
        return value


class XrdSection(Section):
    """Micro-XRD maps. Nothing that is missing is replaced: a mask, geometry or monitor is named, or is "none"."""

    scans: Word | Annotated[list[Word], Field(min_length=1)]
    dataset: Word | None = None
    geometry: Word
    flip: Literal["none", "vertical", "horizontal", "both"] = "none"
    orientation: Annotated[Whole, Field(ge=1, le=4)] | None = None
    mask: Word = "detector"
    dead: Literal["drop", "count"] = "drop"
    monitor: Word = "recorded"
    monitor_place: Literal["behind", "before"] = "behind"
    motors: tuple[str, str] | None = None
    grid: GridSection | None = None
    incomplete: Switch = False
    rings: list[RingSection] = []
    azimuth_bins: Annotated[Whole, Field(ge=4, le=3600)] = 360
    pattern_bins: Annotated[Whole, Field(ge=10, le=20000)] = 1000
    q_range: tuple[Positive, Positive] | None = None
    pattern_spacing: Literal["q", "two_theta"] = "q"
    point_patterns: Switch = False
    solid_angle: Switch = True
    polarisation: Annotated[Number, Field(ge=-1, le=1)] | None = None
    flat: Word | None = None
    dark: Word | None = None
    splitting: Literal["none", "bbox"] = "none"

    @model_validator(mode="after")
    def rings_are_distinct(self):
        names = [ring.name for ring in self.rings]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two rings are called {twice.pop()!r}")
        return self


class LithiumSection(Section):
    """x in the active material from the lattice parameter of a ring: a named calibration, or anchors [parameter, x]."""

    ring: Word
    families: Annotated[list[Word], Field(min_length=1)] | None = None
    calibration: Literal["LiCoO2 film"] | None = None
    anchors: Annotated[list[tuple[Number, ...]], Field(min_length=2)] | None = None
    parameter: Literal["c", "a"] = "c"
    source: str = ""

    @model_validator(mode="after")
    def one_calibration(self):
        if (self.calibration is None) == (self.anchors is None):
            raise ValueError('give either calibration = "LiCoO2 film" or anchors')
        if any(len(point) not in (2, 3, 4) for point in self.anchors or []):
            raise ValueError(
                "an anchor is [parameter, x], or with errors [parameter, x, parameter_err, x_err]"
            )
        return self


class Experiment(Section):
    """One experiment: a cell, a cycler file, and the techniques that were used."""

    title: str
    cell: CellSection | None = None
    phases: dict[str, PhaseSection] = {}
    cycler: CyclerSection | None = None
    impedance: ImpedanceSection | None = None
    xrd: XrdSection | None = None
    lithium: LithiumSection | None = None

    @model_validator(mode="after")
    def lithium_has_its_ring(self):
        names = [ring.name for ring in self.xrd.rings] if self.xrd else []
        if self.lithium is not None and self.lithium.ring not in names:
            known = ", ".join(names) or "none"
            raise ValueError(f"lithium: ring {self.lithium.ring!r} is not among those of [xrd]: {known}")
        return self

    @model_validator(mode="after")
    def phases_exist(self):
        for layer in self.cell.layers if self.cell else []:
            if layer.phase is not None and layer.phase not in self.phases:
                raise ValueError(
                    f"cell.layers: layer {layer.name!r} names phase {layer.phase!r}, which [phases] does not have"
                )
        for ring in self.xrd.rings if self.xrd else []:
            if ring.phase not in self.phases:
                raise ValueError(
                    f"xrd.rings: ring {ring.name!r} names phase {ring.phase!r}, which [phases] does not have"
                )
        return self


#: keys that hold paths: (section, key); values that are words, not paths
PATHS = {("cycler", "file"): (), ("impedance", "files"): (), ("xrd", "geometry"): (),
         ("xrd", "mask"): ("detector", "none"), ("xrd", "flat"): (), ("xrd", "dark"): ()}  # fmt: skip


def load_experiment(path: str | Path, overrides: dict[str, Any] | None = None) -> Experiment:
    """Read, check and resolve an experiment file; paths come out absolute.

    `overrides` maps dotted keys ("xrd.scans") to values that beat the file. Raises `ExperimentError` with line, key
    and what was expected, for the first thing wrong.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ExperimentError(
            "no such file", where=str(path), fix="operando demo writes an example."
        ) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ExperimentError(
            "not UTF-8 text", where=f"{path}, line {line}", fix="Save the file as UTF-8, as TOML demands."
        ) from error
    except OSError as error:
        raise ExperimentError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            fix="Give a TOML file that is yours to read.",
        ) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(
            f"not valid TOML: {error}",
            where=str(path),
            fix="Correct that line; operando demo writes an example.",
        ) from error
    except RecursionError as error:
        raise ExperimentError(
            "not an experiment file: brackets nested too deeply",
            where=str(path),
            fix="operando demo writes an example.",
        ) from error
    for key, value in (overrides or {}).items():
        _set(data, key, value)
    try:
        experiment = Experiment.model_validate(data)
    except ValidationError as error:
        what, loc, fix = describe(error, Experiment)
        where = f"{path}, line {line_of(text, loc)}" if loc else str(path)
        if (given := _given_by(loc, overrides or {})) is not None:
            where = f"--set {given}"
        raise ExperimentError(what, where=where, fix=fix) from error
    return _resolved(experiment, path, text)


def _set(data: dict, key: str, value: Any) -> None:
    """Put `value` at the dotted `key`. Raises `ExperimentError` where the key leads through what has no keys."""
    *tables, last = key.split(".")
    for name in tables:
        data = data.setdefault(name, {})
        if not isinstance(data, dict):
            raise ExperimentError(
                f"{key}: {name} is not a table", where=f"--set {key}",
                fix="Only keys of tables can be set, for example --set xrd.mask=none; write lists in the file.",
            )  # fmt: skip
    data[last] = value


def _given_by(loc: tuple, overrides: dict[str, Any]) -> str | None:
    """The override that put a value at `loc`, or above it; None when the file did."""
    key = ".".join(map(str, loc)) + "."
    return next((name for name in overrides if key.startswith(f"{name}.")), None)


def _resolved(experiment: Experiment, path: Path, text: str) -> Experiment:
    """Make every path absolute, and stop at the first that leads nowhere."""
    folder = path.resolve().parent
    data = experiment.model_dump()

    def there(value: str, loc: tuple) -> str:
        full = folder / Path(value).expanduser()
        if not full.is_file():
            key = ".".join(map(str, loc))
            what = f"a folder, not a file: {value}" if full.is_dir() else f"no such file: {value}"
            raise ExperimentError(
                f"{key}: {what}", where=f"{path}, line {line_of(text, loc)}",
                fix=f"It is looked for beside {path.name}, in {folder}. Write the path relative to that folder.",
            )  # fmt: skip
        return str(full)

    for (section, key), words in PATHS.items():
        value = (data.get(section) or {}).get(key)
        if isinstance(value, list):
            data[section][key] = [there(item, (section, key)) for item in value]
        elif value is not None and value not in words:
            data[section][key] = there(value, (section, key))
    for name, phase in data["phases"].items():
        if phase["cif"] is not None:
            phase["cif"] = there(phase["cif"], ("phases", name, "cif"))
    if experiment.xrd is not None:
        from operando.read.hdf5 import natural

        patterns = [experiment.xrd.scans] if isinstance(experiment.xrd.scans, str) else experiment.xrd.scans
        found: list[str] = []
        for pattern in patterns:
            place = folder / Path(pattern).expanduser()
            matches = (
                [str(place)] if place.exists() else sorted(glob.glob(str(place), recursive=True), key=natural)
            )
            if not matches:
                raise ExperimentError(
                    f"xrd.scans: no file matches {pattern}",
                    where=f"{path}, line {line_of(text, ('xrd', 'scans'))}",
                    fix=f"It is looked for beside {path.name}, in {folder}.",
                )  # fmt: skip
            found += matches
        data["xrd"]["scans"] = found
    return Experiment.model_validate(data)
