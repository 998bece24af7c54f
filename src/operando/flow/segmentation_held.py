"""What a classifier is worth: temperature, reliability and confusion on labels that it did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core import digest
from operando.core.errors import InputError
from operando.tomography.learn.confusion import confusion_matrix

from .sections.segmentation import ContactSection
from .segmentation_known import Known, filled, grown
from .segmentation_model import Classifier
from .stage import versioned

PARTS = (2, 4, 4)
SIDE = 16  # voxels of a block that is wholly in one half of the cross-fit
MOST = 300_000  # voxels for calibration and reliability


@dataclass(frozen=True)
class HeldOut:
    """Held-out labels and what is judged by them; `memory_gb` does not change the result."""

    known: tuple[Known, ...]
    classifier: Classifier
    memory_gb: float = 2.0

    @property
    def digest(self) -> str:
        return digest([k.digest for k in self.known], self.classifier.digest)


@versioned("3")
def segmentation_held(
    held: HeldOut, *, contact: dict[str, Any] | None, shares: bool, seed: int
) -> dict[str, xr.Dataset]:
    """`confusion`, `reliability` and, by electrode, `contact_bottom` and `contact_top` of held-out labels.

    The calibration in use is fitted on all of them: a temperature, and with `shares` a bias of each phase. Reliability
    is cross-fitted: each half of a checkerboard of blocks is judged by the calibration of the other half, so that it
    tells of voxels that it was not fitted on.
    """
    rng = np.random.default_rng(seed)
    share = MOST / max(sum(int((k.labels > 0).sum()) for k in held.known), 1)
    with TemporaryFile() as file:
        kept, samples = [], []
        for known in held.known:
            raw, bad, sample = _predicted(known, held.classifier, held.memory_gb, min(share, 1.0), rng, file)
            kept.append((raw, bad))
            samples.append(sample)
        p, true, half = (np.concatenate([s[i] for s in samples], -1) for i in range(3))
        if not len(true):
            raise InputError("no held-out voxel has a label and a value", where="segmentation.held")
        fit = tomo.fit_calibration if shares else _temperature
        calibration = fit(p, true)
        guesses = [_labels(raw, bad, calibration, k) for (raw, bad), k in zip(kept, held.known, strict=True)]
    names = list(held.classifier.phases)
    truths = [labelled(k, names) for k in held.known]
    found = {
        "confusion": confusion_matrix(guesses, truths, parts=PARTS),
        "reliability": _reliability(p, true, half, names, calibration, fit),
    }
    if contact is not None:
        found |= _contacts(guesses, truths, held.known, ContactSection(**contact))
    return found


def labelled(known: Known, names: Sequence[str]) -> xr.DataArray:
    return xr.DataArray(known.labels, dims=("z", "y", "x"),
                        attrs={"phases": list(names), "voxel_um": known.scan.voxel_um})  # fmt: skip


def _predicted(known: Known, classifier: Classifier, memory_gb: float, share: float, rng, file):
    """Probabilities of the box (float16, on disk), what is no number; of a sample p (phase, n), phase, half."""
    if known.phases != classifier.phases:
        raise InputError(
            f"held-out labels are of {list(known.phases)}, the classifier knows {list(classifier.phases)}",
            where=known.scan.name, fix="Label the same phases in the same order.",
        )  # fmt: skip
    classifier.check(known.scan)
    shape = tuple(s.stop - s.start for s in known.box)
    start = file.seek(0, 2)
    raw = np.memmap(file, np.float16, "r+" if start else "w+", start, (len(known.phases), *shape))
    wrong = np.zeros(shape, bool)
    kept = []
    for part in classifier.boxes(shape, memory_gb):
        box = tuple(slice(p.start + s.start, p.stop + s.start) for p, s in zip(part, known.box, strict=True))
        wide = grown(box, classifier.reach, known.scan.file.shape)  # type: ignore[arg-type]
        if classifier.is_net:  # whole slices, as in prediction
            across = "zyx".index(classifier.model.settings.across)
            wide = tuple(w if a == across else slice(0, n)  # type: ignore[assignment]
                         for a, (w, n) in enumerate(zip(wide, known.scan.file.shape, strict=True)))  # fmt: skip
        inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))
        values, bad = filled(known.scan.file.box(wide), known.scan.name)
        p = classifier.of_block(values, inner, known.scan.voxel_um)  # type: ignore[arg-type]
        raw[(slice(None), *part)] = p
        wrong[part] = bad[inner]
        true = known.labels[part]
        pick = (true > 0) & ~bad[inner]
        if share < 1:
            pick &= rng.random(true.shape) < share
        where = np.nonzero(pick)
        half = sum((w + s.start) // SIDE for w, s in zip(where, box, strict=True)) % 2
        kept.append((p[:, pick], true[pick].astype(np.int64) - 1, half))
    return raw, wrong, [np.concatenate([k[i] for k in kept], -1) for i in range(3)]


def _labels(raw: np.ndarray, bad: np.ndarray, calibration: tomo.Calibration, known: Known) -> xr.DataArray:
    """Likeliest phases, slice by slice; 255 where the volume holds no number."""
    label = np.stack([calibration.apply(raw[:, z].astype(np.float32)).argmax(0) for z in range(raw.shape[1])])
    label = np.where(bad, 255, label).astype(np.uint8)
    attrs = {"phases": list(known.phases), "voxel_um": known.scan.voxel_um}
    return xr.DataArray(label, dims=("z", "y", "x"), attrs=attrs)


def _temperature(p: np.ndarray, true: np.ndarray) -> tomo.Calibration:
    names = [str(k) for k in range(len(p))]
    return tomo.Calibration(tomo.fit_temperature(*_arrays(p, true, names)))


def _reliability(p, true, half, names: list[str], calibration: tomo.Calibration, fit) -> xr.Dataset:
    raw = tomo.reliability(*_arrays(p, true, names))
    crossed = p.copy()
    for one in (0, 1):
        here, there = half == one, half != one
        if here.any() and there.any():
            crossed[:, here] = fit(p[:, there], true[there]).apply(p[:, here])
    result = tomo.reliability(*_arrays(crossed, true, names))
    for name in ("ece", "brier", "nll"):
        result[f"{name}_raw"] = raw[name].assign_attrs(
            long_name=f"{raw[name].attrs['long_name']}, as trained"
        )
    result["raw_confidence"], result["raw_accuracy"] = raw["confidence"], raw["accuracy"]
    about = {"units": "1", "long_name": "temperature in use"}
    result["temperature"] = xr.DataArray(calibration.temperature, attrs=about)
    bias = calibration.bias or (0.0,) * len(names)
    result["bias"] = xr.DataArray(list(bias), dims="phase", attrs={"units": "1", "long_name": "bias in use"})
    return result.assign_attrs(voxels=len(true))


def _arrays(p: np.ndarray, true: np.ndarray, names: list[str]) -> tuple[xr.DataArray, xr.DataArray]:
    n = len(true)
    return (
        xr.DataArray(p.reshape(len(names), 1, 1, n), dims=("phase", "z", "y", "x"), coords={"phase": names}),
        xr.DataArray((true + 1).reshape(1, 1, n).astype(np.uint8), dims=("z", "y", "x"),
                     attrs={"phases": names, "voxel_um": 1.0}),
    )  # fmt: skip


def _contacts(guesses, truths, known: Sequence[Known], how: ContactSection) -> dict[str, xr.Dataset]:
    """Confusion of columns (contact, gap, no lithium) of held-out volumes whose columns are known from end to end."""
    pairs: dict[str, list[tuple[xr.DataArray, xr.DataArray]]] = {"bottom": [], "top": []}
    for guess, truth, one in zip(guesses, truths, known, strict=True):
        if one.box[0] != slice(0, one.scan.file.shape[0]):
            continue
        height = guess.sizes["z"]
        labels = (truth - 1).assign_attrs(truth.attrs)
        seen, true = (
            tomo.label_contact(one_, how.of, how.void, voxels=how.voxels, least=how.least)
            for one_ in (guess, labels)
        )
        for name, rows in (("bottom", slice(0, height // 2)), ("top", slice(height // 2, height))):
            whole = (truth.values[rows] > 0).all(0)
            pairs[name].append(
                (_columns(seen.sel(electrode=name)), _columns(true.sel(electrode=name), whole))
            )
    found = {}
    for name, both in pairs.items():
        try:
            found[f"contact_{name}"] = confusion_matrix(
                [a for a, _ in both], [b for _, b in both], parts=(1, 4, 4)
            )
        except InputError:
            continue  # no column is known from end to end
    return found


COLUMN = ["contact", "gap", "none"]


def _columns(contact: xr.DataArray, known: np.ndarray | None = None) -> xr.DataArray:
    """Columns as a label image: contact, gap, none (no lithium) from 0; with `known` as training labels from 1."""
    values = contact.values
    label = np.where(np.isfinite(values), np.where(values > 0.5, 0, 1), 2)
    if known is not None:
        label = np.where(known, label + 1, 0)
    attrs = {"phases": COLUMN, "voxel_um": 1.0}
    return xr.DataArray(label.astype(np.uint8)[None], dims=("z", "y", "x"), attrs=attrs)
