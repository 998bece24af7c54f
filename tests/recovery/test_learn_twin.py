"""Lithium and void of nearly equal grey: a forest and a small U-Net find the voids of the twin, thresholds do not."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

pytest.importorskip("xraylib")
from tomography_twin import image

from operando import tomography as tomo
from operando.twin.symmetric_cell import SymmetricCell, volumes

PHASES = {"steel": 1, "lithium": 2, "void": 3, "interphase": 4, "electrolyte": 5, "pore": 6}
VOID = 2
TRAIN, HELD, TEST = (31, 0), ((32, 0), (33, 1)), (41, 1)


@lru_cache(maxsize=8)
def scan(seed: int, number: int) -> tuple[xr.DataArray, xr.DataArray]:
    settings = SymmetricCell.tiny(seed=seed).block()
    grey = image(settings, number, contrast_to_noise=2.0, seed=seed)
    labels, _ = volumes(settings, number)
    return grey, tomo.training_labels(grey.copy(data=labels), PHASES)


def dice(guess: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (guess & truth).sum() / (guess.sum() + truth.sum()))


def best_threshold() -> float:
    grey, truth = scan(*TEST)
    soft = gaussian_filter(grey.values, 1.0)
    cuts = np.linspace(-0.1, 0.2, 61)
    return max(dice(v < t, truth.values == VOID + 1) for v in (grey.values, soft) for t in cuts)


def check(predict, least_dice: float) -> None:
    """Dice of void, calibration on an unseen cell, and shares within three of their errors."""
    held = [(predict(scan(*h)[0]), scan(*h)[1]) for h in HELD]
    temperature = tomo.fit_temperature(*held[0])
    labels = [tomo.most_likely(p) for p, _ in held]
    confusion = tomo.confusion_matrix(labels, [t for _, t in held])
    grey, truth = scan(*TEST)
    p = tomo.apply_temperature(predict(grey), temperature)
    found = tomo.most_likely(p)
    assert dice(found.values == VOID, truth.values == VOID + 1) > least_dice
    assert float(tomo.reliability(p, truth)["ece"]) < 0.03
    measured = tomo.corrected_volumes(found, confusion, rng=np.random.default_rng(0))
    true = np.bincount(truth.values.ravel(), minlength=7)[1:] / truth.size
    pull = (measured["share_corrected"].values - true) / measured["share_err"].values
    assert abs(pull).max() < 4
    assert np.sqrt((pull**2).mean()) < 2


def test_forest_finds_voids_that_thresholds_miss():
    pytest.importorskip("sklearn")
    assert best_threshold() < 0.75
    grey, truth = scan(*TRAIN)
    keep = np.random.default_rng(0).random(truth.shape) < 0.05
    painted = truth.copy(data=np.where(keep, truth.values, 0).astype(np.uint8))
    features = tomo.FeatureSettings(dimensions=3)
    forest = tomo.train_forest(grey, painted, features=features, trees=30, depth=14, balanced=False)
    check(forest.probabilities, 0.88)


def test_small_unet_finds_voids_that_thresholds_miss():
    pytest.importorskip("torch")
    assert best_threshold() < 0.75
    unet = tomo.train_unet(
        *(list(v) for v in zip(scan(*TRAIN), scan(34, 0), strict=True)),
        tomo.UNetSettings("light", 2, "y", 8),
        tomo.TrainSettings(patch=(64, 64), steps=40, epochs=8, learning_rate=5e-3,
                           augmentation=tomo.Augmentation(rotation_deg=0, zoom=0)),
        threads=1,
    )  # fmt: skip
    check(lambda grey: tomo.predict_volume(unet, grey, out=True, threads=1)["probability"], 0.88)
