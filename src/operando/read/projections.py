"""One tomographic scan from whatever holds it: Data Exchange, NXtomo, or a folder of images."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.errors import InputError, ReadError
from ..core.projections import Projections
from ..core.trust import reads
from .hdf5 import Files, damage_told
from .projections_angles import angles_in_degrees

log = logging.getLogger(__name__)


@reads("this scan")
def open_projections(
    path: str | Path, *, angles: Any = None, angle_unit: Literal["deg", "rad"] | None = None, flats: Any = None,
    darks: Any = None, pixel_um: float | None = None, energy_keV: float | None = None,
    distance_mm: float | None = None, partial: bool = False,
) -> Projections:  # fmt: skip
    """Open one scan for reading piece by piece; nothing but facts is read now.

    path         Data Exchange (`/exchange/data`), NXtomo (`image_key`), or a folder of TIFFs with flats, darks and
                 a file of angles
    angles       an array or a file, in place of the stored ones; angle_unit: "deg" or "rad", beats the file
    flats        a file, folder or array in place of the stored ones; "none" where images are transmissions already
    darks        likewise; "none" for a detector that counts photons
    pixel_um, energy_keV, distance_mm   in place of what the file says
    partial      a scan that was cut short is used as far as it goes

    Raises `ReadError` for a file that holds no scan, `InputError` for flats or darks that are missing, and for
    angles of another number, without a clear unit, or out of place.
    """
    place = Path(path)
    facts = _folder_facts(place) if place.is_dir() else _hdf5_facts(place)
    facts |= {k: v for k, v in (("pixel_um", pixel_um), ("energy_keV", energy_keV)) if v is not None}
    facts |= {} if distance_mm is None else {"distance_mm": distance_mm}
    notes: list[str] = []
    for kind, given in (("flats", flats), ("darks", darks)):
        facts[kind] = _beside(kind, given, facts, notes)
    if facts["flats"] is None:
        facts["darks"] = None
    if flats is not None:
        facts["flat_after"] = None
    stored, stated = facts.pop("angles", None), facts.pop("angle_unit", None)
    if angles is not None:
        stored, stated = _given_angles(angles), None
    if stored is None:
        raise InputError("no angles", where=facts["name"], fix="Give angles= (--angles FILE): one an image.")
    facts["angles_deg"], said = angles_in_degrees(
        stored, facts["images"].shape[0], stated, angle_unit, facts["name"], partial
    )
    found = Projections(**facts, notes=(*notes, *said))
    for note in found.notes:
        log.info("%s: %s", found.name, note)
    return found


def _hdf5_facts(path: Path) -> dict[str, Any]:
    from .projections_hdf5 import data_exchange, is_data_exchange, nxtomo, nxtomo_entry

    with Files() as files, damage_told(path):
        if is_data_exchange(files, path):
            return data_exchange(files, path)
        entry = nxtomo_entry(files, path)
        if entry is not None:
            return nxtomo(files, path, entry)
    raise ReadError(
        "no tomographic scan in this file", where=str(path),
        fix="Known are Data Exchange (/exchange/data) and NXtomo (instrument/detector/image_key); or give a folder.",
    )  # fmt: skip


def _folder_facts(path: Path) -> dict[str, Any]:
    from .projections_tiff import folder

    return folder(path)


def _beside(kind: str, given: Any, facts: dict[str, Any], notes: list[str]):
    """Flats or darks: the user's, else the file's. Raises `InputError` where there are none and nobody said so."""
    from .projections_tiff import as_stack

    if isinstance(given, str) and given == "none":
        meaning = "images are taken as transmissions" if kind == "flats" else "the dark counts as zero"
        notes.append(f"no {kind}, as asked: {meaning}")
        return None
    if given is not None:
        return as_stack(given, kind)
    if facts.get(kind) is None and not (kind == "darks" and facts.get("flats") is None):
        meaning = (
            "images that are transmissions already" if kind == "flats" else "a detector without dark counts"
        )
        raise InputError(
            f"no {kind}", where=facts["name"],
            fix=f'Give {kind}= (--{kind} FILE), or {kind}="none" for {meaning}.',
        )  # fmt: skip
    return facts.get(kind)


def _given_angles(angles: Any) -> np.ndarray:
    from .projections_tiff import read_angles

    if isinstance(angles, (str, Path)):
        return read_angles(Path(angles))
    return np.asarray(angles, float).reshape(-1)
