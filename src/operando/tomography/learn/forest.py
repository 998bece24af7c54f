"""A pixel classifier: a random forest on multi-scale features of painted voxels, kept as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...core.errors import NUMPY_DAMAGE, InputError, ReadError, require_extra
from .features import FeatureSettings, _features, feature_slabs
from .image import Scale, as_volume, class_names, learnable

FORMAT, VERSION = "operando pixel forest", 1
THREADS = 2
ARRAYS = ("roots", "feature", "limit", "child", "leaf")


@dataclass(frozen=True)
class PixelForest:
    """A trained classifier: its features, the scale it belongs to, its trees as arrays.

    phases    names of the classes; `features`, `scale` as in training
    trees     arrays of `_forest_kernels.mean_leaves`: roots, feature, limit, child, leaf
    facts     painted voxels of each phase, out-of-bag accuracy (optimistic: voxels of one stroke resemble each other),
              importance of each feature, versions
    """

    phases: tuple[str, ...]
    features: FeatureSettings
    scale: Scale
    trees: dict[str, np.ndarray]
    facts: dict[str, Any]

    def probabilities(self, image: xr.DataArray) -> xr.DataArray:
        """Share of the trees' votes for every phase: (phase, z, y, x) float32, each voxel summing to 1.

        image   (z, y, x) or (y, x), of the voxel size and grey values of the training. Memory beside the result is
                that of a slab. Not calibrated: see `fit_temperature`. Raises InputError for NaN and another scale.
        """
        volume = self._checked(image)
        out = np.empty((len(self.phases), *volume.shape), np.float32)
        for rows, part in self.slabs(volume):
            out[:, rows] = np.moveaxis(part, -1, 0)
        coords = {k: v for k, v in volume.coords.items() if k in ("z", "y", "x")}
        return xr.DataArray(
            out, dims=("phase", *volume.dims), coords={"phase": list(self.phases), **coords},
            attrs={"units": "1", "long_name": "probability of the phase", "voxel_um": self.scale.voxel_um},
        )  # fmt: skip

    def slabs(self, image: xr.DataArray) -> Iterator[tuple[slice, np.ndarray]]:
        """The same in slabs along z: (rows, (z, y, x, phase) float32), for volumes larger than memory."""
        for rows, features in feature_slabs(self._checked(image), self.features):
            flat = features.reshape(-1, features.shape[-1])
            yield rows, self.votes(flat).reshape(*features.shape[:-1], -1)

    def of_block(self, values: np.ndarray, keep: tuple[slice, slice, slice]) -> np.ndarray:
        """(phase, z, y, x) of a part of a block (z, y, x) that is cut out of a checked volume.

        keep   the part; the same as in the whole volume where the block reaches `features.reach` voxels further
        """
        features = _features(values.astype(np.float32, copy=False), self.features)[keep]
        p = self.votes(np.ascontiguousarray(features.reshape(-1, features.shape[-1])))
        return np.moveaxis(p.reshape(*features.shape[:-1], -1), -1, 0)

    def votes(self, features: np.ndarray) -> np.ndarray:
        """(row, phase) of features (row, feature) float32."""
        from ._forest_kernels import mean_leaves

        out = np.empty((len(features), len(self.phases)), np.float32)
        cuts = np.linspace(0, len(features), THREADS + 1).astype(int)

        def work(i: int) -> None:
            part = slice(cuts[i], cuts[i + 1])
            roots, feature, limit, child, leaf = (self.trees[n] for n in ARRAYS)
            mean_leaves(features[part], roots, feature, limit, child, leaf, out[part])

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))
        return out

    def save(self, path: str | Path) -> Path:
        """Write to one `.npz`: arrays and JSON, no pickled code. Returns the path."""
        path = Path(path).with_suffix(".npz")
        about = {
            "format": FORMAT, "version": VERSION, "phases": list(self.phases), "facts": self.facts,
            "features": asdict(self.features), "scale": asdict(self.scale),
        }  # fmt: skip
        arrays: dict[str, Any] = {"about": np.array(json.dumps(about)), **self.trees}
        np.savez_compressed(path, **arrays)
        return path

    def _checked(self, image: xr.DataArray) -> xr.DataArray:
        volume = as_volume(image, where="PixelForest")
        self.scale.check(volume, where="PixelForest")
        return volume


def load_forest(path: str | Path) -> PixelForest:
    """Read a classifier that `PixelForest.save` wrote. Raises ReadError for anything else or a later version."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            trees = {n: file[n] for n in ARRAYS}
    except FileNotFoundError as error:
        raise ReadError("no such file", where=str(path)) from error
    except NUMPY_DAMAGE as error:
        raise ReadError(
            "not a pixel classifier", where=str(path), fix="Save one with forest.save(path)."
        ) from error
    if about.get("format") != FORMAT or about.get("version", 99) > VERSION:
        raise ReadError(
            f"{about.get('format')!r} of version {about.get('version')}, this program reads {FORMAT!r} {VERSION}",
            where=str(path), fix="Train it again, or use a newer operando.",
        )  # fmt: skip
    try:
        entry = about["features"]
        features = FeatureSettings(tuple(entry["sigmas"]), tuple(entry["kinds"]), int(entry["dimensions"]))
        return PixelForest(tuple(about["phases"]), features, Scale(**about["scale"]), trees, about["facts"])
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError("its description is damaged", where=str(path), fix="Train it again.") from error


def train_forest(
    image: xr.DataArray | list[xr.DataArray], labels: xr.DataArray | list[xr.DataArray], *,
    features: FeatureSettings | None = None, trees: int = 50, depth: int | None = 12, balanced: bool = True,
    most: int = 100_000, seed: int = 0, scale: Scale | None = None,
) -> PixelForest:  # fmt: skip
    """Train a classifier on painted voxels.

    image     (z, y, x) or (y, x) with a known voxel size, or a list of such images
    labels    of the same shape: 0 unpainted, k for the k-th of attrs["phases"] (of `paint_strokes` or your own)
    trees, depth   of the forest; balanced: classes count the same however much of each was painted
    most      at most so many painted voxels of each class are used, taken at random with `seed`
    scale     of the whole volumes, where `image` is what was cut out around strokes; else of `image`

    Raises InputError for nothing painted, one class only, a class without a voxel, NaN, sizes that differ.
    Needs scikit-learn (extra `ml`) for training, not for prediction.
    """
    pairs = _pairs(image, labels)
    names = class_names([p for _, p in pairs], where="train_forest")
    scale = scale or Scale.of([v for v, _ in pairs])
    settings = features or FeatureSettings()
    x, y = _painted(pairs, settings, len(names), most, np.random.default_rng(seed))
    ensemble = require_extra("sklearn.ensemble", "ml", "training a pixel classifier")
    model = ensemble.RandomForestClassifier(
        n_estimators=trees, max_depth=depth, class_weight="balanced" if balanced else None, oob_score=True,
        bootstrap=True, n_jobs=THREADS, random_state=seed,
    )  # fmt: skip
    model.fit(x, y)
    facts = {
        "painted": {n: int((y == k).sum()) for k, n in enumerate(names)},
        "out_of_bag_accuracy": float(model.oob_score_),
        "importance": {n: float(v) for n, v in zip(settings.names, model.feature_importances_, strict=True)},
        "trees": trees, "depth": depth, "balanced": balanced, "seed": seed,
        "scikit_learn": str(require_extra("sklearn", "ml", "training").__version__),
    }  # fmt: skip
    return PixelForest(names, settings, scale, tree_arrays(model), facts)


def _pairs(image, labels) -> list[tuple[xr.DataArray, xr.DataArray]]:
    images = list(image) if isinstance(image, (list, tuple)) else [image]
    painted = list(labels) if isinstance(labels, (list, tuple)) else [labels]
    if len(images) != len(painted) or not images:
        raise InputError(f"{len(images)} images, {len(painted)} label images", where="train_forest")
    return [
        learnable(i, p, where=f"train_forest, image {n}")
        for n, (i, p) in enumerate(zip(images, painted, strict=True))
    ]


def _painted(pairs, settings: FeatureSettings, classes: int, most: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """Features and class of painted voxels; slabs without paint are skipped in 2D."""
    rows, found = [], []
    for volume, painted in pairs:
        touched = np.flatnonzero(painted.values.any((1, 2)))
        if settings.dimensions == 2:
            volume, painted = volume[touched], painted[touched]
        for part, values in feature_slabs(volume, settings):
            label = painted[part].values
            rows.append(values[label > 0])
            found.append(label[label > 0])
    x, y = np.concatenate(rows), np.concatenate(found).astype(np.int64) - 1
    keep = [rng.permutation(np.flatnonzero(y == k))[:most] for k in range(classes)]
    chosen = np.sort(np.concatenate(keep))
    return x[chosen], y[chosen]


def tree_arrays(model) -> dict[str, np.ndarray]:
    """The trees of a fitted RandomForestClassifier as the arrays of `mean_leaves`; thresholds rounded down to float32.

    A float32 feature is over a threshold just when it is over the largest float32 that is not above it, so every
    voxel ends in the same leaf as in scikit-learn. Nodes are renumbered so that the two children lie side by side.
    """
    parts: dict[str, list[np.ndarray]] = {n: [] for n in ARRAYS}
    nodes = leaves = 0
    for estimator in model.estimators_:
        one = _tree(estimator.tree_, nodes, leaves)
        nodes, leaves = nodes + len(one["feature"]), leaves + len(one["leaf"])
        for name in ARRAYS:
            parts[name].append(one[name])
    kinds = {
        "roots": np.int32,
        "feature": np.int16,
        "limit": np.float32,
        "child": np.int32,
        "leaf": np.float32,
    }
    return {n: np.concatenate(parts[n]).astype(kinds[n]) for n in ARRAYS}


def _tree(tree, nodes: int, leaves: int) -> dict[str, np.ndarray]:
    order, queue = [], [0]
    place = {0: 0}
    while queue:  # level by level: children get neighbouring places
        node = queue.pop(0)
        order.append(node)
        if tree.children_left[node] >= 0:
            for child in (tree.children_left[node], tree.children_right[node]):
                place[child] = len(place)
                queue.append(child)
    order_ = np.array(order)
    inner = tree.children_left[order_] >= 0
    value = tree.value[order_[~inner], 0, :]
    exact = tree.threshold[order_]
    limit = exact.astype(np.float32)
    limit = np.where(limit > exact, np.nextafter(limit, np.float32(-np.inf)), limit)
    child = np.empty(len(order_), np.int64)
    child[inner] = [place[int(n)] + nodes for n in tree.children_left[order_[inner]]]
    child[~inner] = leaves + np.arange((~inner).sum())
    feature = np.where(inner, tree.feature[order_], -1)
    leaf = value / value.sum(1, keepdims=True)
    return {"roots": np.array([nodes]), "feature": feature, "limit": limit, "child": child, "leaf": leaf}
