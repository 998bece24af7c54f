"""The faces of the solid as surfaces in space: data for the page, which draws and turns them itself, offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Hashable
from importlib import resources
from typing import Any

import numpy as np
import xarray as xr

from ..style import chosen, limits
from ..text import number, time_unit

ELECTRODES = ("bottom", "top")
MOST_POINTS, MOST_SCANS = 96, 8
MISSING = -32768
CONTACT = ((0xE4, 0x57, 0x2E), (0x0B, 0x6F, 0xB3))  # void, contact: as in the maps
CAPTION = (
    "The faces of the solid at both electrodes, less their mean height. Drag, or press the arrow keys, to turn; + and "
    "− to enlarge; Home to begin anew. Heights are drawn larger than lengths, as written at the axis. Grey: no value. "
    "Brightness is that of a light from the upper left: read values off the colour only."
)


def faces(maps: xr.Dataset, current: xr.Dataset | None) -> str:
    """HTML of the figure; empty where no face was found."""
    if not np.isfinite(maps["face"].values).any():
        return ""
    told = json.dumps(_told(maps, current), allow_nan=False).replace("</", "<\\/")
    return (
        '<figure class="space" id="fig-tomography-space" data-name="tomography-space" hidden>'
        '<h4>The interfaces in space</h4><p class="choices"><select name="electrode" aria-label="electrode"></select> '
        '<select name="colour" aria-label="colour"></select> '
        '<input type="range" name="time" min="0" step="1" aria-label="scan"> '
        '<span class="now" aria-live="polite"></span></p><div class="stage" tabindex="0" role="application" '
        'aria-label="Interface in space: arrow keys turn it"><canvas></canvas>'
        '<svg xmlns="http://www.w3.org/2000/svg" role="img"></svg></div>'
        f'<script type="application/json">{told}</script><figcaption>{CAPTION}</figcaption></figure>'
    )


def script() -> str:
    """The page's script for these figures: the surface of the dashboard and what the report adds, in one scope."""
    here = resources.files("operando.show")
    parts = [here / "dashboard" / "page" / f"{name}.js" for name in ("words", "colour", "surface")]
    text = "\n".join(p.read_text(encoding="utf-8") for p in [*parts, here / "page" / "space.js"])
    lines = [line.removeprefix("export ") for line in text.splitlines() if not line.startswith("import ")]
    return "(() => {\n" + "\n".join(lines) + "\n})();"


def _told(maps: xr.Dataset, current: xr.Dataset | None) -> dict:
    scans = chosen(maps.sizes["time"], MOST_SCANS)
    frame = _frame(maps)
    cut = maps.isel({"time": scans, **frame})
    factor, unit = time_unit(maps["time"].values)
    return {
        "x": [round(float(v), 3) for v in cut["x"].values], "y": [round(float(v), 3) for v in cut["y"].values],
        "times": [f"{number(float(t) / factor, 3)} {unit}" for t in cut["time"].values], "contact": CONTACT,
        "surfaces": [_surface(cut.sel(electrode=n), n, _before(current, n, cut, frame)) for n in ELECTRODES],
    }  # fmt: skip


def _frame(maps: xr.Dataset) -> dict[Hashable, Any]:
    """Where faces are, every so many points."""
    known = np.isfinite(maps["face"].values).any((0, 1))
    places = {"y": np.flatnonzero(known.any(1)), "x": np.flatnonzero(known.any(0))}
    thin = max(1, *(-(-(int(i[-1]) - int(i[0])) // MOST_POINTS) for i in places.values()))
    return {name: slice(int(i[0]), int(i[-1]) + 1, thin) for name, i in places.items()}


def _before(
    current: xr.Dataset | None, name: str, cut: xr.Dataset, frame: dict[Hashable, Any]
) -> np.ndarray | None:
    """Current density of the interval that ends at each scan; NaN where none does."""
    if current is None:
        return None
    one = current.sel(electrode=name).isel(frame)
    density = one["current_density"].transpose("interval", "y", "x").values
    found = np.full((cut.sizes["time"], *density.shape[1:]), np.nan)
    for k, time in enumerate(cut["time"].values):
        ends = np.flatnonzero(np.abs(one["end"].values - time) < 1.0)
        if len(ends):
            found[k] = density[ends[0]]
    return found


def _surface(one: xr.Dataset, name: str, current: np.ndarray | None) -> dict:
    face = one["face"].values
    mean = np.nanmean(face, axis=(1, 2))
    level = face - mean[:, None, None]
    most = max(abs(v) for v in limits(level, 0.5, 99.5))
    paints = [
        _paint("height less its mean", "um", level, (-most, most), "amount"),
        _paint("contact", "1", 2 * one["contact"].values - 1, (-1.0, 1.0), "contact"),
        _paint(
            "void thickness",
            "um",
            one["void"].values,
            (0.0, limits(one["void"].values, 0, 99.5)[1]),
            "amount",
        ),
    ]
    if current is not None and np.isfinite(current).any():
        largest = max(abs(v) for v in limits(current, 1, 99))
        paints.append(_paint("local current density", "mA/cm2", current, (-largest, largest), "change"))
    return {"electrode": name, "mean": [round(float(m), 3) for m in mean], "z": _packed(level, (-most, most)),
            "range": [-most, most], "paints": paints}  # fmt: skip


def _paint(name: str, units: str, values: np.ndarray, span: tuple[float, float], colours: str) -> dict:
    low, high = float(span[0]), float(span[1])
    high = high if high > low else low + 1.0
    return {
        "name": name,
        "units": units,
        "map": colours,
        "range": [low, high],
        "values": _packed(values, (low, high)),
    }


def _packed(values: np.ndarray, span: tuple[float, float]) -> str:
    """16 bits a value over the span, -32768 where there is none, base64."""
    low, high = span
    share = np.clip((np.asarray(values, float) - low) / max(high - low, 1e-12), 0, 1)
    whole = np.where(np.isfinite(share), np.rint(share * 65534 - 32767), MISSING).astype("<i2")
    return base64.b64encode(whole.tobytes()).decode()
