"""No-split sums of a whole Eiger 4M frame against numpy, exactly, and against pyFAI, bin by bin."""

import numpy as np

from operando.core import ArrayFrames, Geometry
from operando.stream import AzimuthalMap, run

SHAPE, Q_RANGE, DEAD = (2167, 2070), (0.1, 4.4), 2**32 - 1


def test_sums_of_eiger_4m_equal_numpy_exactly_and_pyfai_but_for_rounding_at_edges(rng):
    """pyFAI rounds positions to float32: pixels at the very edge of a bin may fall on its other side."""
    geometry = Geometry(
        0.16, 1083.37 * 75e-6, 1034.81 * 75e-6, 0.6888, (75e-6, 75e-6), SHAPE, rot1=0.002, rot2=-0.003
    )
    mask = np.zeros(SHAPE, bool)
    mask[:, 1030:1040] = mask[514:551] = mask[1065:1102] = mask[1616:1653] = True
    image = rng.poisson(0.86, SHAPE).astype(np.uint32)
    image[mask] = DEAD
    cake = AzimuthalMap(geometry, mask, q_range=Q_RANGE, q_bins=500, azimuth_bins=360, solid_angle=False)
    ours = run([cake], ArrayFrames(image[None], dead_value=DEAD))["map"].signal.values[0]

    q, azimuth = geometry.q().astype(np.float64), geometry.azimuth()
    inside = ~mask & (q >= Q_RANGE[0]) & (q < Q_RANGE[1])
    place = np.floor(azimuth).astype(int) * 500 + (
        (q - Q_RANGE[0]) * (500 / (Q_RANGE[1] - Q_RANGE[0]))
    ).astype(int)
    exact = np.bincount(place[inside], image[inside], minlength=360 * 500)
    assert (ours.ravel() == exact).all()

    peer = geometry.integrator
    peer.setChiDiscAtZero()
    theirs = peer.integrate2d_ng(
        image.astype(np.float32), 500, 360, unit="q_A^-1", radial_range=Q_RANGE, azimuth_range=(0, 360),
        mask=mask.astype(np.int8), method=("no", "csr", "cython"), correctSolidAngle=False,
    ).sum_signal  # fmt: skip
    assert (ours == theirs).mean() >= 0.998
