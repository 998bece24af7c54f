"""Strokes that the page of the dashboard sends: checked before they are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from operando.core.errors import InputError
from operando.read.volume_file import VolumeFile

from .segmentation_known import STROKES, VERSION

AXES = "zyx"
MOST_STROKES, MOST_POINTS, MOST_PHASES, LONGEST_NAME, WIDEST = 20_000, 4_000, 32, 40, 200.0


def checked(sent: bytes, file: VolumeFile) -> dict[str, Any]:
    """Strokes that a page sent, as they are kept. Raises `InputError` for anything else."""
    try:
        told = json.loads(sent)
        phases, strokes = told["phases"], told["strokes"]
        _plain(phases, MOST_PHASES)
        _plain(strokes, MOST_STROKES)
        if len(set(phases)) < len(phases) or not all(
            isinstance(p, str) and 0 < len(p) <= LONGEST_NAME for p in phases
        ):
            raise ValueError("names of phases")
        kept = [_stroke(one, phases, file.shape) for one in strokes]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"these are no strokes ({error})", where=file.name, fix="Reload the page."
        ) from error
    return {
        "format": STROKES, "version": VERSION, "volume": file.name, "shape": list(file.shape),
        "voxel_um": file.voxel_um, "phases": phases, "strokes": kept,
    }  # fmt: skip


def _plain(items: Any, most: int) -> None:
    if not isinstance(items, list) or len(items) > most:
        raise ValueError(f"no list of at most {most}")


def _stroke(one: Any, phases: list[str], shape: Sequence[int]) -> dict[str, Any]:
    _plain(one["points"], MOST_POINTS)
    points = np.asarray(one["points"], float)
    radius = float(one["radius_vox"])
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ValueError("points of a stroke")
    if (points < -0.5).any() or (points > np.array(shape) - 0.5).any():
        raise ValueError("a stroke leaves the volume")
    if not 0 <= radius <= WIDEST or one.get("across", "z") not in tuple(AXES):
        raise ValueError("brush of a stroke")
    if one["phase"] is not None and one["phase"] not in phases:
        raise ValueError("a stroke of an unknown phase")
    return {
        "phase": one["phase"], "points": np.round(points, 2).tolist(), "radius_vox": radius,
        "across": one.get("across", "z"),
    }  # fmt: skip
