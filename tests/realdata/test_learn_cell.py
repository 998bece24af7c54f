"""A measured slice of a 21700 cell with painted pixels: a forest of the left half names the right half.

The slice and its labels come with nDTomo (GPL-3). Its full segmentation is another program's, made from the painted
pixels: agreement with it is no error of either. The painted pixels of the right half were not trained on here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from operando import tomography as tomo

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tomo_cell_labels"
pytestmark = pytest.mark.realdata


def plane(values: np.ndarray, **attrs) -> xr.DataArray:
    return xr.DataArray(
        values, dims=("y", "x"), attrs={"voxel_um": 1.0, **attrs}
    )  # its true size is not told


def test_a_forest_of_the_left_half_names_the_right_half_better_than_thresholds():
    pytest.importorskip("sklearn")
    tifffile = pytest.importorskip("tifffile")
    if not FOLDER.exists():
        pytest.skip("needs the measured slice in ../shared/data/tomo_cell_labels")
    grey, paint, dense = (
        tifffile.imread(FOLDER / f"Battery_21700{n}.tif") for n in ("", "_labels", "_segmented")
    )
    half = grey.shape[1] // 2
    image = plane(grey.astype(np.float32))
    rng = np.random.default_rng(0)
    few = np.where(paint == 2, 0, paint).astype(np.uint8)  # class 2 ends in the left half
    outside = np.argwhere(dense[:, :half] == 0)  # nothing is painted outside of the cell
    few[tuple(outside[rng.integers(len(outside), size=200)].T)] = 2
    names = ["1", "0", "3", "4", "5", "6"]
    forest = tomo.train_forest(image[:, :half], plane(few[:, :half], phases=names), trees=30, balanced=False)
    rows = slice(300, 1300)  # the winding, in half of the time
    found = tomo.most_likely(forest.probabilities(image[rows, half:])).values[0]
    guess = np.array([int(n) for n in names])[found]
    true, spots = dense[rows, half:], few[rows, half:]
    by_grey = np.array(
        [np.bincount(dense[:, :half][grey[:, :half] == g], minlength=7).argmax() for g in range(256)]
    )[grey[rows, half:]]

    def mean_dice(labels: np.ndarray) -> float:
        each = [
            2 * ((labels == k) & (true == k)).sum() / ((labels == k).sum() + (true == k).sum())
            for k in (0, 3, 4, 5, 6)
        ]
        return float(np.mean(each))

    painted = spots > 2
    assert (guess == spots)[painted].mean() > 0.93
    assert (by_grey == spots)[painted].mean() < 0.85
    assert mean_dice(guess) > 0.93
    assert mean_dice(by_grey) < 0.8
