"""Trees of a random forest at many voxels."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def mean_leaves(features, roots, feature, limit, child, leaf, out):
    """Mean over trees of the class shares in the leaf that each row of `features` falls into.

    features (row, feature) float32; nodes: `feature` (-1 at a leaf), `limit` float32, `child` the left one (the
    right one comes next), or the row of `leaf` (leaf, class) float32 at a leaf; `roots` the first node of each tree;
    out (row, class) float32. Tree by tree over blocks of rows, so that a tree stays in the cache.
    """
    rows, classes = out.shape
    weight = np.float32(1.0 / len(roots))
    out[:] = 0
    for start in range(0, rows, 512):
        stop = min(start + 512, rows)
        for t in range(len(roots)):
            for r in range(start, stop):
                node = roots[t]
                while feature[node] >= 0:
                    node = child[node] + (features[r, feature[node]] > limit[node])
                at = child[node]
                for k in range(classes):
                    out[r, k] += leaf[at, k] * weight
