"""`operando model transport`: label volumes from the command line, by the recipe of `[transport]`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import xarray as xr
from pydantic import ValidationError

from operando.core.errors import InputError

from .experiment import Experiment
from .running import Listener, Run
from .stage import Stages
from .toml_lines import describe
from .transport import transport_of_volumes

KEYS = ("label", "conductivity_mS_per_cm", "young_GPa", "poisson")


def phase_of(text: str) -> tuple[str, dict[str, Any]]:
    """`grain=1,0.4,150,0.26` as name and table: label, mS/cm, GPa, Poisson's ratio, as many as are written."""
    name, equals, rest = text.partition("=")
    numbers = [word.strip() for word in rest.split(",")]
    try:
        values = [int(numbers[0]), *(float(word) for word in numbers[1:])]
    except ValueError:
        values = []
    if not equals or not name or not 1 <= len(values) <= len(KEYS):
        raise InputError(
            f"{text!r} is no phase",
            where="--phase",
            fix="Write NAME=LABEL,mS/cm,GPa,POISSON: grain=1,0.4,150,0.26",
        )
    return name, dict(zip(KEYS, values, strict=False))


def transport(
    labels: Sequence[Path], phases: Sequence[str], *, say: Callable[[str, str], None], grain_um: float | None = None,
    spot_um: float | None = None, **settings: Any,
) -> dict[str, xr.Dataset]:  # fmt: skip
    """Groups of `transport` (see docs/decisions/0002) of label volumes; `settings` are keys of `[transport]`.

    Raises `InputError` for volumes, phases and settings that do not serve.
    """
    missing = [str(path) for path in labels if not path.exists()]
    if missing:
        raise InputError("no such file", where=missing[0], fix="Give label volumes.")
    table = {name: value for name, value in settings.items() if value is not None}
    table["labels"] = [str(path) for path in labels]
    if phases:
        table["phases"] = dict(map(phase_of, phases))
    if grain_um is not None:
        table["synthetic"] = {"grain_um": grain_um}
    if spot_um is not None:
        table["hot_spot"] = {"diameter_um": spot_um}
    try:
        experiment = Experiment.model_validate({"title": "Transport", "transport": table})
    except ValidationError as error:
        what, _, fix = describe(error, Experiment)
        raise InputError(what, where="operando model transport", fix=fix) from error
    groups: dict[str, xr.Dataset] = {}
    with TemporaryDirectory() as place:
        job = Run(Path(place), experiment, Stages(Path(place) / "stages"), Listener(say=say))
        transport_of_volumes(job, groups, None)
    for note in job.notes:
        say("note", note)
    return groups
