"""Trees of a random forest at many voxels."""

from __future__ import annotations

import numpy as np
from numba import njit

TOGETHER = 8


@njit(cache=True, nogil=True)
def mean_leaves(features, roots, feature, limit, child, leaf, out):
    """Mean over trees of the class shares in the leaf that each row of `features` falls into.

    features (row, feature) float32; nodes: `feature` (-1 at a leaf), `limit` float32, `child` the left one (the
    right one comes next), or the row of `leaf` (leaf, class) float32 at a leaf; `roots` the first node of each tree;
    out (row, class) float32. Tree by tree over blocks of rows, so that a tree stays in the cache; some rows go down
    together, so that the processor need not wait for one's node before it fetches the next one's.
    """
    rows, classes = out.shape
    weight = np.float32(1.0 / len(roots))
    out[:] = 0
    at = np.empty(TOGETHER, np.int32)
    for start in range(0, rows, 512):
        stop = min(start + 512, rows)
        for t in range(len(roots)):
            for r in range(start, stop, TOGETHER):
                n = min(TOGETHER, stop - r)
                for i in range(n):
                    at[i] = roots[t]
                moving = True
                while moving:
                    moving = False
                    for i in range(n):
                        node = at[i]
                        if feature[node] >= 0:
                            at[i] = child[node] + (features[r + i, feature[node]] > limit[node])
                            moving = True
                for i in range(n):
                    row = child[at[i]]
                    for k in range(classes):
                        out[r + i, k] += leaf[row, k] * weight
