"""Painting, features against references, trees against scikit-learn, files, suggestions, and bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando import tomography as tomo
from operando.core.errors import InputError, ReadError
from operando.tomography.learn.features import feature_slabs

pytest.importorskip("sklearn")


def volume(values: np.ndarray, **attrs) -> xr.DataArray:
    return xr.DataArray(values, dims=("z", "y", "x"), attrs={"voxel_um": 1.7, "units": "1/cm", **attrs})


@pytest.fixture(scope="module")
def scene() -> tuple[xr.DataArray, xr.DataArray]:
    """Smooth blobs of two phases of different texture, and their training labels."""
    rng = np.random.default_rng(5)
    blob = gaussian_filter(rng.standard_normal((6, 64, 64)), (1, 5, 5)) > 0
    noise = rng.standard_normal(blob.shape)
    grey = np.where(blob, 1.0, 0.0) + 0.6 * noise
    return volume(grey.astype(np.float32)), volume((blob + 1).astype(np.uint8), phases=["void", "lithium"])


def some(labels: xr.DataArray, share: float, seed: int = 0) -> xr.DataArray:
    keep = np.random.default_rng(seed).random(labels.shape) < share
    return labels.copy(data=np.where(keep, labels.values, 0).astype(np.uint8))


def test_strokes_become_lines_and_later_ones_cover():
    grey = volume(np.zeros((3, 20, 30), np.float32))
    strokes = [
        tomo.Stroke("lithium", ((1, 5, 2), (1, 5, 20)), radius_vox=0),
        tomo.Stroke("void", ((1, 5, 10),), radius_vox=2),
        tomo.Stroke(None, ((1, 5, 18),), radius_vox=1),
    ]
    painted = tomo.paint_strokes(strokes, grey)
    assert painted.attrs["phases"] == ["lithium", "void"]
    assert not painted.values[[0, 2]].any()
    assert painted.values[1, 5].tolist() == [0] * 2 + [1] * 6 + [2] * 5 + [1] * 4 + [0] * 3 + [1] + [0] * 9
    assert (painted.values == 2).sum() == 13  # a disc of radius 2


@pytest.mark.parametrize(
    ("strokes", "what"),
    [
        ([], "nothing is painted"),
        ([tomo.Stroke("void", ((0, 0, 99),))], "leaves the volume"),
        ([tomo.Stroke("void", ())], "no points"),
        ([tomo.Stroke("steel", ((0, 0, 0),))], "steel"),
    ],
)
def test_strokes_that_cannot_be_painted(strokes, what):
    with pytest.raises(InputError, match=what):
        tomo.paint_strokes(strokes, volume(np.zeros((2, 9, 9))), phases=["void", "lithium"])


def test_training_labels_of_other_numbers():
    labels = volume(np.array([[[0, 2, 3, 6]]], np.int32))
    made = tomo.training_labels(labels, {"lithium": 2, "void": (3, 6)})
    assert made.values.ravel().tolist() == [0, 1, 2, 2]
    with pytest.raises(InputError, match="steel"):
        tomo.training_labels(labels, {"steel": 1, "lithium": 2})
    with pytest.raises(InputError, match="two phases"):
        tomo.training_labels(labels, {"a": 2, "b": (2, 3)})


@pytest.mark.parametrize("dimensions", [2, 3])
def test_features_equal_a_reference(scene, dimensions):
    grey, _ = scene
    settings = tomo.FeatureSettings(sigmas=(0.8, 1.5), dimensions=dimensions)
    found = tomo.pixel_features(grey, settings)
    axes = (1, 2) if dimensions == 2 else (0, 1, 2)

    def smooth(values, sigma):
        return gaussian_filter(
            values, (0, sigma, sigma) if dimensions == 2 else sigma, mode="nearest", truncate=3
        )

    g = smooth(grey.values.astype(float), 1.5)
    inner = (slice(None) if dimensions == 2 else slice(2, -2), slice(2, -2), slice(2, -2))
    slope = np.stack([np.gradient(g, axis=a) for a in axes])
    matrix = np.array([[np.gradient(np.gradient(g, axis=a), axis=b) for a in axes] for b in axes])
    for i, a in enumerate(axes):
        matrix[i, i] = np.roll(g, 1, a) + np.roll(g, -1, a) - 2 * g
    hessian = np.linalg.eigvalsh(np.moveaxis(matrix, (0, 1), (-2, -1)))
    edge = [np.pad(g, 1, mode="edge")]
    central = np.stack(
        [(np.roll(edge[0], -1, a) - np.roll(edge[0], 1, a))[1:-1, 1:-1, 1:-1] / 2 for a in axes]
    )
    tensor = np.array([[smooth(u * v, 2.25) for u in central] for v in central])
    structure = np.sqrt(np.maximum(np.linalg.eigvalsh(np.moveaxis(tensor, (0, 1), (-2, -1))), 0))[..., ::-1]
    expected = {"grey": grey.values, "gaussian 1.5": g, "gradient 1.5": np.sqrt((slope**2).sum(0))}
    expected |= {f"hessian {k} 1.5": hessian[..., k] for k in range(dimensions)}
    expected |= {f"structure {k} 1.5": structure[..., k] for k in range(dimensions)}
    expected["difference 0.8 1.5"] = smooth(grey.values.astype(float), 0.8) - g
    for name, values in expected.items():
        np.testing.assert_allclose(
            found.sel(feature=name).values[inner], values[inner], atol=2e-4, err_msg=name
        )
    assert set(found["feature"].values) == set(settings.names)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_features_do_not_depend_on_slabs(dimensions):
    grey = volume(np.random.default_rng(1).standard_normal((40, 12, 12)).astype(np.float32))
    settings = tomo.FeatureSettings(sigmas=(0.7, 1.4), dimensions=dimensions)
    whole = tomo.pixel_features(grey, settings).values
    parts = np.concatenate([v for _, v in feature_slabs(grey, settings, voxels=5 * 144)])
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_trees_equal_scikit_learn(scene):
    from sklearn.ensemble import RandomForestClassifier

    from operando.tomography.learn.forest import ARRAYS, PixelForest, tree_arrays
    from operando.tomography.learn.image import Scale

    rng = np.random.default_rng(2)
    x = rng.integers(0, 6, (3000, 5)).astype(np.float32) / 3  # ties at thresholds are the rule
    y = rng.integers(0, 4, 3000)
    model = RandomForestClassifier(13, random_state=0).fit(x, y)
    trees = tree_arrays(model)
    assert set(trees) == set(ARRAYS)
    forest = PixelForest(tuple("abcd"), tomo.FeatureSettings(), Scale(1, 0, 1, 0, 1), trees, {})
    np.testing.assert_allclose(forest.votes(x), model.predict_proba(x), atol=1e-6)


def test_forest_tells_textures_apart_and_survives_its_file(scene, tmp_path):
    grey, truth = scene
    forest = tomo.train_forest(grey, some(truth, 0.05), trees=30)
    p = forest.probabilities(grey)
    np.testing.assert_allclose(p.sum("phase"), 1, atol=1e-5)
    labels = tomo.most_likely(p)
    unpainted = some(truth, 0.05).values == 0
    right = (labels.values + 1 == truth.values)[unpainted].mean()
    threshold = max(((grey.values > t) == (truth.values == 2)).mean() for t in np.linspace(-1, 2, 31))
    assert threshold < 0.82
    assert right > threshold + 0.1
    again = tomo.load_forest(forest.save(tmp_path / "forest"))
    np.testing.assert_array_equal(again.probabilities(grey), p)
    assert again.facts == json.loads(json.dumps(forest.facts))
    assert labels.attrs["phases"] == ["void", "lithium"]
    slabs = np.concatenate([v for _, v in forest.slabs(grey)])
    np.testing.assert_array_equal(np.moveaxis(slabs, -1, 0), p.values)


def test_files_that_are_no_forest(tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, a=np.arange(3))
    text = tmp_path / "text.npz"
    text.write_text("no")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(other.read_bytes()[:40])
    for path in (other, text, cut):
        with pytest.raises(ReadError, match="not a pixel classifier"):
            tomo.load_forest(path)
    with pytest.raises(ReadError, match="no such file"):
        tomo.load_forest(tmp_path / "absent.npz")


def test_a_forest_whose_description_is_damaged(scene, tmp_path):
    grey, truth = scene
    path = tomo.train_forest(grey, truth, trees=2, depth=2).save(tmp_path / "forest.npz")
    with np.load(path) as file:
        stored = dict(file)
    about = json.loads(str(stored["about"]))
    del about["scale"]
    np.savez(path, **stored | {"about": json.dumps(about)})
    with pytest.raises(ReadError, match="damaged"):
        tomo.load_forest(path)


def test_bad_training_input(scene):
    grey, truth = scene
    nothing = truth.copy(data=np.zeros_like(truth.values))
    one = truth.copy(data=np.where(truth.values == 1, 1, 0).astype(np.uint8))
    three = some(truth, 0.1).assign_attrs(phases=["void", "lithium", "steel"])
    holed = grey.copy(data=np.where(np.arange(64) == 3, np.nan, grey.values).astype(np.float32))
    for image, painted, what in (
        (grey, nothing, "nothing"),
        (grey, one, "at least two classes"),
        (grey, one.assign_attrs(phases=["void"]), "at least two classes"),
        (grey, three, "steel"),
        (grey, truth[:, :10], "labels of"),
        (holed, truth, "not finite"),
        (grey.drop_attrs(), truth, "voxel size"),
        (grey * 0, truth, "equal"),
    ):
        image = image.assign_attrs(grey.attrs) if what == "equal" else image
        with pytest.raises(InputError, match=what):
            tomo.train_forest(image, painted, trees=5)


def test_another_scale_is_noticed(scene):
    grey, truth = scene
    forest = tomo.train_forest(grey, some(truth, 0.05), trees=5)
    with pytest.raises(InputError, match=r"voxels of 3\.4 um, the model was trained on 1\.7"):
        forest.probabilities(grey.assign_attrs(voxel_um=3.4))
    for change in (lambda v: 1000 * v, lambda v: v + 20, lambda v: v / 1000):
        with pytest.raises(InputError, match="grey values"):
            forest.probabilities(change(grey).assign_attrs(grey.attrs))
    forest.probabilities((grey * 1.05).assign_attrs(grey.attrs))  # a few per cent are no other scale
    with pytest.raises(InputError, match="not finite"):
        forest.probabilities(grey.where(grey < 2))


def test_suggestions_lie_where_phases_are_equally_likely_and_apart():
    p = np.full((3, 2, 60, 60), 0.01, np.float32)
    p[0] = 0.98
    for z, y, x, worst in ((0, 10, 10, 0.5), (0, 14, 10, 0.45), (1, 40, 40, 0.4)):
        p[:2, z, y - 1 : y + 2, x - 1 : x + 2] = np.array([1 - worst - 0.01, worst])[:, None, None]
    grid = xr.DataArray(
        p, dims=("phase", "z", "y", "x"), coords={"phase": list("abc")}, attrs={"voxel_um": 2.0}
    )
    found = tomo.suggest_strokes(grid, number=2, apart_vox=15)
    places = np.stack([found[f"{a}_index"] for a in "zyx"], 1)
    assert abs(places[0] - [0, 12, 10]).max() <= 2
    assert abs(places[1] - [1, 40, 40]).max() <= 1
    assert found["y"].values[1] == (places[1, 1] + 0.5) * 2.0
    assert set(found["first"].values) | set(found["second"].values) == {"a", "b"}
    assert (np.diff(found["entropy"]) <= 0).all()
    painted = xr.DataArray(np.zeros((2, 60, 60), np.uint8), dims=("z", "y", "x"), attrs={"voxel_um": 2.0})
    painted[0, 12, 10] = 1
    again = tomo.suggest_strokes(grid, number=1, apart_vox=30, painted=painted)
    assert int(again["z_index"][0]) == 1
    with pytest.raises(InputError, match="NaN"):
        tomo.suggest_strokes(grid.where(grid > 0.5))


def test_painting_what_is_suggested_beats_painting_elsewhere(scene):
    """One round of suggested dots, answered by the truth, against as many dots where the forest is sure."""
    grey, truth = scene
    first = some(truth, 0.002, seed=3)
    forest = tomo.train_forest(grey, first, trees=20)
    p = forest.probabilities(grey)
    asked = tomo.suggest_strokes(p, number=25, apart_vox=6, painted=first)
    entropy = -(p * np.log(p.clip(1e-9))).sum("phase").values
    sure = np.argwhere(entropy <= np.quantile(entropy, 0.2))
    chosen = sure[np.random.default_rng(0).integers(len(sure), size=asked.sizes["suggestion"])]

    def after(places: np.ndarray) -> float:
        painted = first.values.copy()
        for z, y, x in places:
            part = (z, slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
            painted[part] = truth.values[part]
        new = tomo.train_forest(grey, first.copy(data=painted), trees=20)
        return float((tomo.most_likely(new.probabilities(grey)).values + 1 == truth.values).mean())

    assert after(np.stack([asked[f"{a}_index"] for a in "zyx"], 1)) > after(chosen)
