"""Whether two runs hold the same numbers, to the last bit."""

from __future__ import annotations

import numpy as np


def bits(array):
    """What two arrays must share to be the same; words, which have no fixed bytes, are compared as such."""
    values = np.asarray(array)
    return values.tolist() if values.dtype == object else values.tobytes()


def same(groups, others):
    assert set(groups) == set(others)
    for name, dataset in groups.items():
        for variable, array in dataset.variables.items():
            assert bits(array) == bits(others[name][variable]), f"{name}/{variable}"
