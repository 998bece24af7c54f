"""Things to look at: what a person should know before believing the maps, in one short sentence each."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from operando.core import Flag

#: a reason is worth a sentence from this share of the measured points on
WORTH_SAYING = 0.01
#: a line nearer than so many peak widths (sigma) is not apart
CLEAR_WIDTHS = 3.0


WORDS = {
    Flag.CUT_BY_GAP: "are cut by a gap of the detector, and left out",
    Flag.WINDOW_EDGE: "lie at the edge of their window: widen q_range",
    Flag.NOT_CONVERGED: "gave no converged fit",
    Flag.POOR_FIT: "are fitted poorly: a second phase (phases = 2), or another line beside it?",
}


def grouped(notes: list[str]) -> list[str]:
    """Notes in order, those that differ only in numbers told once with how many more are like it."""
    alike: dict[str, list[str]] = {}
    for note in notes:
        alike.setdefault(re.sub(r"\d+(\.\d+)?", "#", note), []).append(note)
    return [
        f"{same[0]} ({len(same) - 1} more like it, in run.log)" if len(same) > 2 else note
        for same in alike.values()
        for note in (same[:1] if len(same) > 2 else same)
    ]


def look_at(groups: dict[str, xr.Dataset]) -> list[str]:
    """Sentences on missing frames, lost beam, and flagged fits."""
    overview = groups["xrd"]
    return [*_missing(overview), *_beam_lost(overview), *_fits(groups), *_neighbours(groups)]


def _missing(overview: xr.Dataset) -> list[str]:
    empty = (overview["flag"] & int(Flag.NO_DATA)) != 0
    counts = empty.sum(("z", "x")).values
    return [
        f"{int(n)} point{'s' if n > 1 else ''} without a frame in map {number} (NaN)"
        for number, n in enumerate(counts, 1)
        if n
    ][:5]


def _beam_lost(overview: xr.Dataset) -> list[str]:
    lost = ((overview["flag"] & int(Flag.MONITOR_LOST)) != 0).transpose("time", "z", "x").values
    sentences = []
    for number, of_map in enumerate(lost, 1):
        rows = np.flatnonzero(of_map.any(1))
        if len(rows):
            where = f"rows {rows[0] + 1}-{rows[-1] + 1}" if len(rows) > 1 else f"row {rows[0] + 1}"
            sentences.append(f"no beam on the monitor in map {number}, {where} (flagged)")
    return sentences[:5]


def _fits(groups: dict[str, xr.Dataset]) -> list[str]:
    sentences = []
    for name, ring in groups.items():
        if "goodness" not in ring or "family" not in ring.coords or name.count("/") > 1:
            continue  # what is fitted to the maps of a ring repeats what they say, or is said beside its figure
        for family in ring["family"].values:
            flag = ring["flag"].sel(family=family)
            peaks = (flag & int(Flag.NO_DATA | Flag.TOO_FEW_COUNTS)) == 0
            for reason in WORDS:
                share = int((peaks & ((flag & int(reason)) != 0)).sum()) / max(int(peaks.sum()), 1)
                if share > WORTH_SAYING:
                    which = name.removeprefix("xrd/") + ("" if family == "all" else f" {family}")
                    sentences.append(f"{which}: {100 * share:.0f} % of the peaks {WORDS[reason]}")
    return sentences


def _neighbours(groups: dict[str, xr.Dataset]) -> list[str]:
    """Rings that another line of the stated phases lies under: their single peaks may be drawn towards it."""
    lines = groups.get("xrd/reflections", xr.Dataset())
    sentences = []
    for name in lines["ring"].values if "ring" in lines else ():
        ring = groups.get(f"xrd/{name}", xr.Dataset())
        if not name or "width" not in ring or not np.isfinite(ring["width"]).any():
            continue
        at = float(lines["q"].values[lines["ring"].values == name][0])
        near = np.abs(lines["q"].values - at) < CLEAR_WIDTHS * float(ring["width"].median())
        others = [
            f"{p}({h.replace(' ', '')})"
            for p, h, q in zip(
                lines["phase"].values[near], lines["hkl"].values[near], lines["q"].values[near], strict=True
            )
            if abs(q - at) > 1e-6
        ]
        if others:
            sentences.append(
                f"{name}: lines near by may shift the positions of its peaks: {', '.join(others)}"
            )
    return sentences
