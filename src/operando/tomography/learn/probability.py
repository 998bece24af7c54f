"""Probabilities: labels of them, how well they are calibrated, and one temperature that mends them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.optimize import minimize, minimize_scalar

from ...core.errors import InputError
from ...core.flags import Flag, flag_variable
from ..volume import quantity
from .image import as_volume

UNKNOWN = 255
LEAST = 1e-7


def most_likely(probabilities: xr.DataArray) -> xr.DataArray:
    """uint8 label (z, y, x) of the likeliest phase, by its place in attrs["phases"]; 255 where NaN.

    The labels are those of `label_phases`: 0 is the first phase. (Training labels begin at 1: 0 is unpainted there.)
    """
    p = probabilities.transpose("phase", ...)
    first = p.values
    labels = first.argmax(0).astype(np.uint8)
    labels[~np.isfinite(first).all(0)] = UNKNOWN
    attrs = {"units": "1", "phases": [str(n) for n in p["phase"].values], "rule": "likeliest phase"}
    if "voxel_um" in p.attrs:
        attrs["voxel_um"] = p.attrs["voxel_um"]
    return p.isel(phase=0, drop=True).copy(data=labels).assign_attrs(attrs)


def known_voxels(
    probabilities: xr.DataArray, truth: xr.DataArray, *, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """(voxel, phase) float64 and the place of the true phase, of voxels that are labelled (training labels > 0)."""
    p = probabilities.transpose("phase", "z", "y", "x")
    true = as_volume(truth, where=where, check_values=False)
    if true.shape != p.shape[1:]:
        raise InputError(f"truth of {true.shape}, probabilities of {p.shape[1:]} voxels", where=where)
    names = [str(n) for n in p["phase"].values]
    if list(map(str, true.attrs.get("phases", names))) != names:
        raise InputError(f"truth has phases {true.attrs['phases']}, probabilities {names}", where=where)
    label = true.values
    known = label > 0
    if not known.any():
        raise InputError("no voxel has a label", where=where, fix="Give labels that were not trained on.")
    return p.values[:, known].T.astype(np.float64), label[known].astype(np.int64) - 1


def reliability(probabilities: xr.DataArray, truth: xr.DataArray, *, bins: int = 15) -> xr.Dataset:
    """Data of a reliability diagram: how often the likeliest phase is right, against how sure the model was.

    ECE = sum over bins of (n_b / n) |accuracy_b - confidence_b|

    truth   training labels (0 not known) of voxels that were not trained on
    bins    of equal width in confidence from 0 to 1

    Over `bin`: `confidence` (mean in the bin), `accuracy` with `accuracy_err` (binomial; voxels beside each other are
    not independent, so this is a lower bound), `count`, `flag` (NO_DATA); alone `ece`, `brier`, `nll` (nats a voxel);
    over `phase`: `class_ece` of the probability of each phase. Raises InputError where nothing is labelled.
    """
    p, true = known_voxels(probabilities, truth, where="reliability")
    sure, right = p.max(1), (p.argmax(1) == true)
    confidence, accuracy, count = _binned(sure, right, bins)
    error = np.sqrt(np.maximum(accuracy * (1 - accuracy), 0.25 / np.maximum(count, 1)) / np.maximum(count, 1))
    phases = range(p.shape[1])
    each = [_ece(*_binned(p[:, k], true == k, bins)) for k in phases]
    hit = p[np.arange(len(p)), true]
    brier = float(((p**2).sum(1) - 2 * hit + 1).mean())
    result = xr.Dataset(
        {
            "confidence": quantity(confidence, "bin", "1", "mean probability of the likeliest phase"),
            "accuracy": quantity(accuracy, "bin", "1", "share in which it is right"),
            "accuracy_err": quantity(np.where(count > 0, error, np.nan), "bin", "1"),
            "count": quantity(count, "bin", "1", "voxels"),
            "class_ece": quantity(each, "phase", "1", "calibration error of one phase"),
            "ece": quantity(_ece(confidence, accuracy, count), (), "1", "expected calibration error"),
            "brier": quantity(brier, (), "1", "Brier score"),
            "nll": quantity(
                float(-np.log(np.maximum(hit, LEAST)).mean()), (), "1", "negative log likelihood"
            ),
        },
        coords={"phase": probabilities["phase"].values},
    )
    result["flag"] = flag_variable(np.where(count > 0, 0, int(Flag.NO_DATA)), ("bin",))
    return result


def _binned(sure: np.ndarray, right: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    at = np.clip((sure * bins).astype(int), 0, bins - 1)
    count = np.bincount(at, minlength=bins)
    with np.errstate(invalid="ignore"):
        return np.bincount(at, sure, bins) / count, np.bincount(at, right, bins) / count, count


def _ece(confidence: np.ndarray, accuracy: np.ndarray, count: np.ndarray) -> float:
    return float(np.nansum(np.abs(accuracy - confidence) * count) / count.sum())


def fit_temperature(probabilities: xr.DataArray, truth: xr.DataArray) -> float:
    """Temperature T that makes held-out labels likeliest: p_k^(1/T) / sum_j p_j^(1/T); over 1 where too sure.

    truth   training labels (0 not known) of voxels that were not trained on

    Guo et al., Proc. ICML 70, 1321 (2017). The likeliest phase never changes. Use `apply_temperature` with it on
    probabilities of the same model; forests have shares of exactly 0, which are read as 1e-7.
    """
    p, true = known_voxels(probabilities, truth, where="fit_temperature")
    return best_temperature(np.log(np.maximum(p, LEAST)), true)


def best_temperature(logits: np.ndarray, true: np.ndarray) -> float:
    """Of (voxel, phase) logits, by the mean negative log likelihood, between 0.05 and 20."""

    def loss(log_t: float) -> float:
        z = logits * np.exp(-log_t)
        top = z.max(1)
        return float((np.log(np.exp(z - top[:, None]).sum(1)) + top - z[np.arange(len(z)), true]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def apply_temperature(probabilities: xr.DataArray, temperature: float) -> xr.DataArray:
    """Probabilities of another temperature, see `fit_temperature`."""
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f"a temperature of {temperature}", where="apply_temperature")
    p = probabilities.transpose("phase", ...)
    return p.copy(data=tempered(p.values, temperature)).assign_attrs(p.attrs, temperature=temperature)


def tempered(p: np.ndarray, temperature: float) -> np.ndarray:
    """p^(1/T) / sum over phases, phases along the first axis, float32."""
    return Calibration(temperature).apply(p)


@dataclass(frozen=True)
class Calibration:
    """What mends the probabilities of a classifier: e^bias_k p_k^(1/temperature) / sum over phases.

    bias   of each phase; none where the shares of the phases in the training were those of the volumes. What was
           painted seldom has those: a thin void gets as many strokes as a thick electrolyte
    """

    temperature: float = 1.0
    bias: tuple[float, ...] = ()

    def apply(self, p: np.ndarray) -> np.ndarray:
        """Mended probabilities float32, phases along the first axis."""
        if self.temperature == 1.0 and not any(self.bias):
            return p.astype(np.float32, copy=False)
        z = np.log(np.maximum(p, LEAST), dtype=np.float32) / np.float32(self.temperature)
        if any(self.bias):
            z += np.array(self.bias, np.float32).reshape(-1, *(1,) * (p.ndim - 1))
        np.exp(z - z.max(0), out=z)
        return (z / z.sum(0)).astype(np.float32, copy=False)


def fit_calibration(p: np.ndarray, true: np.ndarray, *, least: int = 100) -> Calibration:
    """Temperature and bias of each phase that make held-out labels likeliest.

    p      (phase, voxel) probabilities; true: (voxel,) place of the true phase. The voxels must be taken as the phases
           occur (whole slices that were labelled, not strokes): the bias takes their shares for those of the volumes
    least  phases with fewer voxels get no bias

    Alexandari, Kundaje, Shrikumar, Proc. ICML 119, 222 (2020), bias-corrected temperature scaling.
    """
    z = np.log(np.maximum(p, LEAST)).T.astype(np.float64)
    rows, classes = np.arange(len(true)), z.shape[1]
    free = np.bincount(true, minlength=classes) >= least

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scale, bias = np.exp(-values[0]), np.zeros(classes)
        bias[free] = values[1:]
        y = z * scale + bias
        q = np.exp(y - y.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
        value = -np.log(np.maximum(q[rows, true], 1e-300)).mean() + 1e-4 * (bias**2).sum()
        q[rows, true] -= 1
        slope = np.concatenate([[-(q * z).sum(1).mean() * scale], (q.mean(0) + 2e-4 * bias)[free]])
        return float(value), slope

    bounds = [(np.log(0.05), np.log(20.0)), *[(-8.0, 8.0)] * int(free.sum())]
    best = minimize(loss, np.zeros(1 + free.sum()), jac=True, bounds=bounds, method="L-BFGS-B").x
    bias = np.zeros(classes)
    bias[free] = best[1:]
    return Calibration(float(np.exp(best[0])), tuple(float(b) for b in bias))
