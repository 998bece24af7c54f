"""The experiment file: one TOML, checked, with errors that name line, key and what was expected."""

from __future__ import annotations

import glob
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from operando.core.errors import ExperimentError

from .sections import (
    CellSection,
    ComptonSection,
    CyclerSection,
    EbsdSection,
    EpitaxySection,
    FilmModelSection,
    ImpedanceSection,
    LithiumSection,
    PhaseSection,
    Section,
    SegmentationSection,
    SymmetricModelSection,
    TomographySection,
    TransportSection,
    XrdSection,
)  # fmt: skip
from .toml_lines import describe, line_of


class Experiment(Section):
    """One experiment: a cell, a cycler file, and the techniques that were used."""

    title: str
    cell: CellSection | None = None
    phases: dict[str, PhaseSection] = Field(default={})
    cycler: CyclerSection | None = None
    impedance: ImpedanceSection | None = None
    xrd: XrdSection | None = None
    lithium: LithiumSection | None = None
    epitaxy: EpitaxySection | None = None
    compton: ComptonSection | None = None
    ebsd: EbsdSection | None = None
    tomography: TomographySection | None = None
    transport: TransportSection | None = None
    segmentation: SegmentationSection | None = None
    film_model: FilmModelSection | None = None
    symmetric_model: SymmetricModelSection | None = None

    @model_validator(mode="after")
    def lithium_has_its_ring(self):
        """[lithium] names a ring of [xrd]."""
        names = [ring.name for ring in self.xrd.rings] if self.xrd else []
        if self.lithium is not None and self.lithium.ring not in names:
            known = ", ".join(names) or "none"
            raise ValueError(f"lithium: ring {self.lithium.ring!r} is not among those of [xrd]: {known}")
        return self

    @model_validator(mode="after")
    def epitaxy_has_its_grains(self):
        """[epitaxy] has a ring with grains and a substrate among [phases]."""
        if self.epitaxy is not None:
            if not any(ring.grains for ring in (self.xrd.rings if self.xrd else [])):
                raise ValueError("epitaxy: no ring of [xrd] has grains = true")
            if self.epitaxy.substrate not in self.phases:
                raise ValueError(f"epitaxy: substrate {self.epitaxy.substrate!r} is not among [phases]")
        return self

    @model_validator(mode="after")
    def transport_has_its_phases(self):
        if self.transport is None or self.transport.source != "segmentation":
            return self
        if self.segmentation is None:
            raise ValueError('transport: source = "segmentation", but there is no section [segmentation]')
        known = self.segmentation.phases or list(self.transport.phases)
        if strange := [name for name in self.transport.phases if name not in known]:
            raise ValueError(
                f"transport.phases: {', '.join(strange)} not among the segmented phases {', '.join(known)}"
            )
        return self

    @model_validator(mode="after")
    def phases_exist(self):
        """Layers and rings name phases of [phases]."""
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
    place = _Place(path, text)
    data = experiment.model_dump()
    place.within(experiment, data, ())
    return Experiment.model_validate(data)


@dataclass(frozen=True)
class _Place:
    """Where an experiment file lies, for paths that are relative to it, and its text, for the line of an error."""

    path: Path
    text: str

    def within(self, section: Section, data: dict[str, Any], loc: tuple) -> None:
        """`resolve` a table and every table in it."""
        self.resolve(section, data, loc)
        for name in type(section).model_fields:
            value = getattr(section, name)
            inner = (
                value
                if isinstance(value, dict)
                else dict(enumerate(value))
                if isinstance(value, list)
                else None
            )
            if isinstance(value, Section):
                self.within(value, data[name], (*loc, name))
            for key, one in (inner or {}).items():
                if isinstance(one, Section):
                    self.within(one, data[name][key], (*loc, name, key))

    def resolve(self, section: Section, data: dict[str, Any], loc: tuple) -> None:
        """Replace the paths and patterns of a table by absolute paths, in `data`."""
        for key, words in section.paths.items():
            value = data[key]
            if isinstance(value, list):
                data[key] = [self.file(item, (*loc, key)) for item in value]
            elif value is not None and value not in words:
                data[key] = self.file(value, (*loc, key))
        for key in section.patterns:
            if data[key] is not None:
                patterns = [data[key]] if isinstance(data[key], str) else data[key]
                data[key] = [file for pattern in patterns for file in self.matching(pattern, (*loc, key))]

    def file(self, value: str, loc: tuple) -> str:
        full = self.folder / Path(value).expanduser()
        if not full.is_file():
            what = f"a folder, not a file: {value}" if full.is_dir() else f"no such file: {value}"
            raise self._lost(what, loc, " Write the path relative to that folder.")
        return str(full)

    def matching(self, pattern: str, loc: tuple) -> list[str]:
        """Files that match, in natural order; a path that exists is itself."""
        from operando.read.hdf5 import natural

        place = self.folder / Path(pattern).expanduser()
        if place.exists():
            return [str(place)]
        found = sorted(glob.glob(str(place), recursive=True), key=natural)
        if not found:
            raise self._lost(f"no file matches {pattern}", loc)
        return found

    @property
    def folder(self) -> Path:
        return self.path.resolve().parent

    def _lost(self, what: str, loc: tuple, more: str = "") -> ExperimentError:
        key = ".".join(map(str, loc))
        return ExperimentError(
            f"{key}: {what}", where=f"{self.path}, line {line_of(self.text, loc)}",
            fix=f"It is looked for beside {self.path.name}, in {self.folder}.{more}",
        )  # fmt: skip
