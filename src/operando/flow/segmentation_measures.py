"""Measures of segmented volumes with what the confusion of held-out labels leaves of error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core import Flag
from operando.core.flags import flag_variable
from operando.tomography.volume import quantity

from .sections.segmentation import ContactSection, RatioSection
from .segmentation_held import COLUMN
from .segmentation_store import Segmented

ROWS = 64  # of columns at a time


def phase_table(one: Segmented, confusion: xr.Dataset | None, rng: np.random.Generator) -> xr.Dataset:
    """Shares and volumes of the phases of a scan: counted, corrected, errors (NaN without held-out labels)."""
    voxel = one.scan.voxel_um**3
    counts = {name: int(n) for name, n in zip(one.phases, one.count, strict=True)}
    total = max(int(one.count.sum()), 1)
    if confusion is not None:
        found = tomo.corrected_counts(counts, voxel, confusion, rng=rng)
        found.attrs.pop("blocks", None)
    else:
        share = one.count / total
        nothing = np.full(len(share), np.nan)
        found = xr.Dataset(
            {
                "volume": quantity(one.count * voxel, "phase", "um3", "volume as counted"),
                "volume_corrected": quantity(nothing, "phase", "um3", "volume, corrected for confusion"),
                "volume_err": quantity(nothing, "phase", "um3"), "bias": quantity(nothing, "phase", "um3"),
                "share": quantity(share, "phase", "1", "share of the voxels as counted"),
                "share_corrected": quantity(nothing, "phase", "1", "share, corrected for confusion"),
                "share_err": quantity(nothing, "phase", "1"),
            },
            coords={"phase": list(one.phases)},
        )  # fmt: skip
        found["flag"] = flag_variable(np.full(len(share), int(Flag.NO_DATA)), ("phase",))
    expected = one.expected / max(one.expected.sum(), 1e-300)
    found["expected_share"] = quantity(expected, "phase", "1", "mean probability of the phase")
    found["unsure"] = quantity(one.unsure, (), "1", "share of voxels with a probability under 0.8")
    found["confidence"] = quantity(one.confidence, (), "1", "mean probability of the likeliest phase")
    found["unknown"] = quantity(one.unknown, (), "1", "voxels that are no number")
    return found


def ratio_table(phases: xr.Dataset, ratios: Sequence[RatioSection]) -> xr.Dataset:
    """Ratios of volumes over `ratio`: as counted, corrected, error."""
    parts = []
    for ratio in ratios:
        if "draw" in phases:
            parts.append(tomo.corrected_share(phases, ratio.part, ratio.whole))
            continue
        top, whole = (float(phases["share"].sel(phase=list(n)).sum()) for n in (ratio.part, ratio.whole))
        one = xr.Dataset({
            "share": quantity(top / whole if whole else np.nan, (), "1", "as counted"),
            "share_corrected": quantity(np.nan, (), "1", "corrected for confusion"),
            "share_err": quantity(np.nan, (), "1"),
        })  # fmt: skip
        one["flag"] = flag_variable(np.array(int(Flag.NO_DATA)), ())
        parts.append(one)
    names = [r.name for r in ratios]
    joined = xr.concat(parts, "ratio", combine_attrs="override").assign_coords(ratio=names)
    for name, words in (("share", "ratio as counted"), ("share_corrected", "ratio, corrected for confusion")):
        joined[name].attrs["long_name"] = words
    return joined


def contact_map(one: Segmented, how: ContactSection) -> xr.DataArray:
    """`label_contact` of a volume on disk, some rows of columns at a time."""
    height, rows, columns = one.scan.file.shape
    parts = [
        tomo.label_contact(
            one.labels((slice(0, height), slice(y, min(y + ROWS, rows)), slice(0, columns))), how.of, how.void,
            voxels=how.voxels, least=how.least,
        )
        for y in range(0, rows, ROWS)
    ]  # fmt: skip
    return xr.concat(parts, "y", combine_attrs="override")


def contact_table(contact: xr.DataArray, held: dict[str, xr.Dataset], rng: np.random.Generator) -> xr.Dataset:
    """Share of the columns with lithium that are in contact, by electrode: counted, corrected, error."""
    pixel = float(np.diff(contact["x"].values[:2])[0]) ** 2 if contact.sizes["x"] > 1 else np.nan
    rows = []
    for name in map(str, contact["electrode"].values):
        values = contact.sel(electrode=name).values
        known = np.isfinite(values)
        touching = int((values[known] > 0.5).sum())
        numbers = (touching, int(known.sum()) - touching, int((~known).sum()))
        share = touching / known.sum() if known.any() else np.nan
        best, area, flag = (np.nan, np.nan), (np.nan, np.nan), int(Flag.NO_DATA)
        if f"contact_{name}" in held:
            counts = dict(zip(COLUMN, numbers, strict=True))
            found = tomo.corrected_counts(counts, pixel * 1e-8, held[f"contact_{name}"], rng=rng)
            ratio = tomo.corrected_share(found, "contact", ["contact", "gap"])
            best, flag = (float(ratio["share_corrected"]), float(ratio["share_err"])), int(ratio["flag"])
            one = found.sel(phase="contact")
            area = float(one["volume_corrected"]), float(one["volume_err"])
        rows.append((share, *best, *area, float(known.mean()), flag))
    columns = list(zip(*rows, strict=True))
    words = (("share", "1", "share in contact, as counted"), ("share_corrected", "1", "share in contact, corrected"),
             ("share_err", "1", ""), ("area_corrected", "cm2", "area in contact, corrected"), ("area_err", "cm2", ""),
             ("with_lithium", "1", "share of the columns that have lithium"))  # fmt: skip
    data = {
        n: quantity(np.array(v), "electrode", u, w) for (n, u, w), v in zip(words, columns[:-1], strict=True)
    }
    found = xr.Dataset(data, coords={"electrode": contact["electrode"].values})
    found["flag"] = flag_variable(np.array(columns[-1]), ("electrode",))
    return found


def middle_sections(one: Segmented) -> xr.Dataset:
    """Grey values, labels and confidence in the plane at the middle of y."""
    height, rows, columns = one.scan.file.shape
    box = slice(0, height), slice(rows // 2, rows // 2 + 1), slice(0, columns)
    label = one.labels(box)[:, 0]
    grey = np.asarray(one.scan.file.box(box), np.float32)[:, 0]
    number = np.where(label.values == 255, np.nan, label.values)
    sure = one.confidence_of(box)[:, 0]
    coords = {a: (a, label[a].values, {"units": "um"}) for a in ("z", "x")}
    return xr.Dataset(
        {
            "grey": quantity(grey, ("z", "x"), one.scan.file.units, "grey value"),
            "label": quantity(number.astype(np.float32), ("z", "x"), "1", "likeliest phase, by its number from 0"),
            "confidence": quantity(sure, ("z", "x"), "1", "probability of the likeliest phase"),
        },
        coords=coords,
    )  # fmt: skip
