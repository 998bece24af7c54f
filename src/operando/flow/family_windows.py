"""Are the azimuth windows of each family its own? Said before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence

from operando import diffraction
from operando.diffraction import Family

from .facts import Ring


def window_notes(rings: Sequence[Ring]) -> list[str]:
    """A sentence for every family that shares azimuth with another of its ring, or has no window of its own."""
    notes = []
    for ring in rings:
        families = [Family(name, azimuths, ring.half_width_deg) for name, azimuths in ring.families]
        for family in families:
            others = [one for one in families if one is not family]
            if others and not _free(family, others):
                notes.append(
                    f"{ring.name} {family.name}: no free window: each one overlaps {_names(family, others)}, so its "
                    "values are not its own (narrow half_width_deg, or leave the family out)"
                )  # fmt: skip
        told = {note.split(":")[0] for note in notes}
        notes += [
            f"{ring.name}: windows of {one} and {two} overlap, so that each holds counts of the other"
            for one, two in diffraction.overlapping(families)
            if not {f"{ring.name} {one}", f"{ring.name} {two}"} & told
        ]
    return notes


def _free(family: Family, others: Sequence[Family]) -> list[float]:
    """Azimuths of the windows that no other family's touches."""
    alone = [Family(family.name, (azimuth,), family.half_width_deg) for azimuth in family.azimuths_deg]
    return [
        one.azimuths_deg[0]
        for one in alone
        if not any(diffraction.overlapping([one, other]) for other in others)
    ]


def _names(family: Family, others: Sequence[Family]) -> str:
    return " and ".join(other.name for other in others if diffraction.overlapping([family, other]))
