"""Both engines against pyFAI, for every flip and orientation, and corrections."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))
from stream_frames import Chunked, small_counts

from operando.core import Geometry
from operando.stream import AzimuthalMap, Pattern, run

SHAPE = (220, 210)
Q, SECTORS = 80, 72
WAYS = [("none", 3), ("vertical", 3), ("horizontal", 1), ("both", 2), ("vertical", 4)]


def geometry(flip, orientation) -> Geometry:
    return Geometry(
        0.2,
        0.052,
        0.049,
        0.7,
        (5e-4, 5e-4),
        SHAPE,
        rot1=0.04,
        rot2=-0.03,
        rot3=0.3,
        orientation=orientation,
        flip=flip,
    )


def peer(g: Geometry, counts, mask, method):
    """pyFAI's result for images turned into the PONI's layout; azimuth from 0 to 360, first axis azimuth."""
    integrator = replace(g).integrator
    integrator.setChiDiscAtZero()
    return [
        integrator.integrate2d_ng(
            g.to_stored(image), Q, SECTORS, unit="q_A^-1", radial_range=(0.2, 3.5), azimuth_range=(0, 360),
            mask=g.to_stored(mask).astype(np.int8), method=method, polarization_factor=0.95, correctSolidAngle=True,
        )
        for image in counts
    ]  # fmt: skip


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def case(request):
    g = geometry(*request.param)
    counts, mask = small_counts(3, SHAPE)
    common = {"geometry": g, "mask": mask, "q_range": (0.2, 3.5), "q_bins": Q, "polarisation": 0.95}
    reductions = [
        AzimuthalMap(azimuth_bins=SECTORS, **common),
        AzimuthalMap(azimuth_bins=SECTORS, splitting="bbox", name="shared", **common),
    ]
    return g, counts, mask, run(reductions, Chunked.of(counts, mask))


def test_no_split_sums_are_those_of_pyfai(case):
    """All but the first q bin: there pyFAI (2026.9) takes in pixels up to one bin below the range as well."""
    g, counts, mask, ours = case
    theirs = np.array([r.sum_signal for r in peer(g, counts, mask, ("no", "csr", "cython"))])
    same = ours["map"].signal.values == theirs
    assert same[..., 1:].mean() > 0.9995
    assert same.mean() > 0.99
    weight = peer(g, counts[:1], mask, ("no", "csr", "cython"))[0].sum_normalization
    assert (np.abs(ours["map"].weight.values - weight) < 1e-4)[:, 1:].mean() > 0.9995


def test_shared_sums_and_intensities_are_those_of_pyfai(case):
    g, counts, mask, ours = case
    intensity = ours["shared"].intensity().intensity.values
    for frame, theirs in enumerate(peer(g, counts, mask, ("bbox", "csr", "cython"))):
        typical = np.median(theirs.sum_signal)
        assert np.abs(ours["shared"].signal.values[frame] - theirs.sum_signal).max() < 1e-5 * typical
        assert np.abs(ours["shared"].weight.values - theirs.sum_normalization).max() < 1e-5 * np.median(
            theirs.sum_normalization
        )
        filled = (
            theirs.sum_normalization > 0.01
        )  # below that, a hundredth of a pixel, float32 of pyFAI decides
        np.testing.assert_allclose(
            intensity[frame][filled],
            theirs.intensity[filled],
            rtol=1e-5,
            atol=1e-5 * theirs.intensity[filled].mean(),
        )


def test_a_wrong_flip_is_far_off(case):
    """The comparison can fail: pyFAI on the image as stored does not agree unless nothing is flipped."""
    g, counts, mask, ours = case
    if g.flip == "none":
        pytest.skip("nothing is flipped in this case")
    theirs = peer(replace(g, flip="none"), counts, mask, ("no", "csr", "cython"))
    assert (ours["map"].signal.values[0] == theirs[0].sum_signal).mean() < 0.9


def test_pattern_and_its_splitting_against_integrate1d():
    g = geometry("vertical", 3)
    counts, mask = small_counts(2, SHAPE)
    common = {"geometry": g, "mask": mask, "q_range": (0.2, 3.5), "q_bins": 150}
    ours = run(
        [Pattern(**common), Pattern(splitting="bbox", name="shared", **common)], Chunked.of(counts, mask)
    )
    for name, method, same in (("pattern", "no", 0.0), ("shared", "bbox", 1e-5)):
        theirs = replace(g).integrator.integrate1d_ng(
            g.to_stored(counts[1]), 150, unit="q_A^-1", radial_range=(0.2, 3.5), mask=g.to_stored(mask).astype(np.int8),
            method=(method, "csr", "cython"), correctSolidAngle=True,
        )  # fmt: skip
        close = np.abs(ours[name].signal.values[1] - theirs.sum_signal) <= same * theirs.sum_signal.mean()
        assert close.mean() >= 0.98 if same == 0 else close.all()
        np.testing.assert_allclose(ours[name].signal.q, theirs.radial, atol=1e-6)
