"""A finished run in a few numbers, for programs that started it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.core.flags import count_flags

from .results import Results


def outcome(folder: Path, results: Results, report: Path | None) -> dict[str, Any]:
    """Where results, report and log are; how many frames and values there are, which flags they bear, and the notes.

    `flags`: by group and flag variable, how many values there are, how many without any flag, and how many for each
    reason. Plain data, as JSON takes it.
    """
    held = results.groups
    frames = held.get("xrd", xr.Dataset()).get("frames")
    run = next((one for one in reversed(results.processes) if one.name == "run"), None)
    return {
        "title": results.title, "results": str(folder / "results.nxs"), "report": str(report) if report else None,
        "log": str(folder / "run.log"), "seconds": round(run.seconds, 3) if run else None,
        "counts": {
            "groups": len(held), "values": sum(int(v.size) for one in held.values() for v in one.data_vars.values()),
            "maps": int(held["xrd"].sizes.get("time", 0)) if "xrd" in held else 0,
            "frames": int(np.nansum(frames.values)) if frames is not None else 0,
        },
        "flags": {name: found for name, one in held.items() if (found := _flags(one))},
        "warnings": list(results.notes),
    }  # fmt: skip


def _flags(group: xr.Dataset) -> dict[str, dict[str, int]]:
    found = {}
    for name, data in group.data_vars.items():
        if "flag_masks" in data.attrs and data.size:
            values = data.values
            found[str(name)] = {
                "values": int(values.size),
                "good": int((values == 0).sum()),
                **count_flags(values),
            }
    return found
