"""100 000 simulated profiles: errors are honest, and as small as the Cramer-Rao bound allows."""

import numpy as np
import pytest
from scipy.special import ndtr

from operando.diffraction import fit_peaks

STEP, N, ROWS = 0.0025, 40, 100_000
Q = 1.30 + STEP * np.arange(N)
EDGES = np.append(Q - STEP / 2, Q[-1] + STEP / 2)


def means(counts, q0, sigma, background):
    return (
        counts[:, None] * np.diff(ndtr((EDGES - q0[:, None]) / sigma[:, None]), axis=1) + background[:, None]
    )


def bound(counts, q0, sigma, background):
    """Cramer-Rao bound of q0 with all five parameters free, by numerical derivatives."""
    h, mu = 1e-6, means(counts, q0, sigma, background)
    jac = np.stack([
        (means(counts, q0 + h, sigma, background) - means(counts, q0 - h, sigma, background)) / (2 * h),
        (means(counts, q0, sigma + h, background) - means(counts, q0, sigma - h, background)) / (2 * h),
        means(np.ones_like(counts), q0, sigma, 0 * background), np.ones_like(mu), np.ones_like(mu) * (Q - Q.mean()),
    ], 1)  # fmt: skip
    return np.sqrt(np.linalg.inv(np.einsum("rin,rjn,rn->rij", jac, jac, 1 / mu))[:, 0, 0])


@pytest.mark.parametrize("relative_background", [0.02, 0.3, 2.0])
def test_pull_and_bound_from_20_to_2000_counts(relative_background):
    rng = np.random.default_rng(int(100 * relative_background))
    q0, sigma = Q.mean() + rng.uniform(-3, 3, ROWS) * STEP, rng.uniform(2, 5, ROWS) * STEP
    counts = np.exp(rng.uniform(np.log(20), np.log(2000), ROWS))
    background = relative_background * counts / N
    fit = fit_peaks(Q, rng.poisson(means(counts, q0, sigma, background)))
    good = fit["flag"].values == 0
    pull = ((fit["q"].values - q0) / fit["q_err"].values)[good]
    relative = (fit["q"].values - q0)[good] / bound(counts, q0, sigma, background)[good]
    assert good.mean() > {0.02: 0.95, 0.3: 0.9, 2.0: 0.7}[relative_background]
    assert good[counts > 200].mean() > 0.99
    assert 0.95 < pull.std() < 1.05
    assert abs(pull.mean()) < 0.02
    assert np.sqrt((relative**2).mean()) < 1.02
    assert (np.abs(pull) > 5).mean() < 2e-4
    for name, truth in (("area", counts * STEP), ("background", background)):
        many = good & (counts > 300) & (background * N > 60)  # else the bound at zero matters
        other = ((fit[name].values - truth) / fit[f"{name}_err"].values)[many]
        assert not many.any() or 0.93 < other.std() < 1.07, name


def test_pseudo_voigt_pull():
    rng = np.random.default_rng(4)
    rows = 10_000
    q0, sigma = Q.mean() + rng.uniform(-3, 3, rows) * STEP, np.full(rows, 3 * STEP)
    counts = np.exp(rng.uniform(np.log(500), np.log(20000), rows))
    t = (EDGES - q0[:, None]) / sigma[:, None]
    shape = np.diff(0.7 * ndtr(t) + 0.3 * np.arctan(t / np.sqrt(2 * np.log(2))) / np.pi, axis=1)
    fit = fit_peaks(Q, rng.poisson(counts[:, None] * (shape + 0.2 / N)), shape="pseudo-voigt")
    good = fit["flag"].values == 0
    assert good.mean() > 0.98
    assert 0.95 < ((fit["q"] - q0) / fit["q_err"]).values[good].std() < 1.05
