"""The compiled kernels against ten-line numpy and SciPy references."""

import numpy as np
import pytest
from numba import njit
from scipy.optimize import minimize
from scipy.special import ndtr, xlogy
from scipy.stats import poisson

from operando.diffraction import _fit_kernels as kernels
from operando.diffraction import _lanes as lanes
from operando.diffraction import _shapes as shapes
from operando.diffraction._fit_input import bin_edges, deviance_table
from operando.diffraction._fit_model import model_of

N = 40
NOTHING = np.empty(0)
EDGES = np.arange(N + 1) - 0.5 * N
ONE = np.array([[2, 3, 4, -1]])
ETA = np.array([[2, 3, 4, 5]])
TWO_SHARED = np.array([[2, 3, 4, -1], [5, 3, 6, -1]])


def reference_mean(par, w, slots):
    """mu of the model, from distribution functions at the bin edges."""
    f = np.arange(N) / (N - 1)
    mu = par[0] * (1 - f) + par[1] * f
    for p, s, a, e in slots:
        t = (EDGES - par[p]) / par[s]
        eta = par[e] if e >= 0 else 0.0
        lorentz = np.arctan(t / np.sqrt(2 * np.log(2))) / np.pi
        mu = mu + par[a] * np.diff((1 - eta) * ndtr(t) + eta * lorentz)
    return w * mu


def evaluated(par, w, slots, v=None, shift=NOTHING, bins=N):
    """mu, dmu and d2mu at `par`; with `bins` under `N` only of the first bins, which are no whole lanes."""
    par, free = np.asarray(par, float), np.full(len(par), np.inf)
    model = model_of(EDGES[: bins + 1], slots, -free, free, NOTHING if v is None else v / w, shift)
    space = kernels.workspace(model)
    kernels.load(np.zeros(bins), w[:bins], model, space)
    kernels.evaluate(par, model, space, True)
    return space.mu[:bins], space.jac[:, :bins], space.curve[:, :bins]


def test_a_sum_over_lanes_is_its_reference_to_the_bit():
    rng = np.random.default_rng(2)
    for size in (8, 40, 64):
        x, y = np.exp(rng.normal(0, 8, (2, size)))
        assert dot(x, y) == lanes.dot_reference(x, y)
        assert dot(x, y) == pytest.approx((x * y).sum(), rel=1e-14)


@njit
def dot(x, y):
    return lanes.dot(x, y)


def test_logarithm_to_the_last_bits():
    x = np.exp(np.linspace(np.log(1e-300), np.log(1e300), 8000))
    x = np.concatenate([x, 1 + np.linspace(-0.3, 0.3, 800)])
    found = np.empty_like(x)
    lanes.logarithm(x, found)
    np.testing.assert_array_max_ulp(found, np.log(x), 2)


def test_bins_that_fill_the_last_lane_do_nothing():
    par, w = CASES[0][1], np.random.default_rng(3).uniform(0.5, 2, N)
    for whole, part in zip(evaluated(par, w, ONE), evaluated(par, w, ONE, bins=N), strict=True):
        np.testing.assert_array_equal(whole, part)
    rng = np.random.default_rng(8)
    counts = rng.poisson(reference_mean(np.array([0.4, 0.9, -2.0, 2.5, 300.0]), w, ONE))
    short, gap = counts[:37], w.copy()
    gap[37:] = 0
    par, cov, stat = fit_one(short, w[:37])
    far, far_cov, far_stat = fit_one(counts, gap)
    assert stat[5] == far_stat[5] == kernels.CONVERGED
    np.testing.assert_allclose([stat[0], par[4]], [far_stat[0], far[4]], rtol=1e-6)
    np.testing.assert_allclose(par[2] - 1.5, far[2], atol=1e-5)  # measured from the middle of the window
    np.testing.assert_allclose(cov[2:, 2:], far_cov[2:, 2:], rtol=1e-4)


def test_normal_distribution_to_1e_10():
    t = np.linspace(-39, 39, 20001)
    g, cdf = np.empty_like(t), np.empty_like(t)
    shapes.normal(t, g, cdf, np.empty(t.size, np.int64))
    np.testing.assert_allclose(cdf, ndtr(t), atol=1e-10, rtol=0)
    np.testing.assert_allclose(g, np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi), atol=1e-13, rtol=1e-11)
    inside = np.abs(t) < 30
    np.testing.assert_allclose(cdf[inside & (t < 0)], ndtr(t[inside & (t < 0)]), rtol=1e-6)


CASES = [
    (ONE, [0.4, 0.9, 1.3, 2.5, 80.0]),
    (ONE, [0.4, 0.9, -7.2, 0.5, 300.0]),
    (ETA, [0.4, 0.1, 1.3, 2.5, 80.0, 0.35]),
    (TWO_SHARED, [0.4, 0.9, -4.0, 2.5, 80.0, 3.0, 40.0]),
]


@pytest.mark.parametrize(("slots", "par"), CASES)
def test_mean_and_every_derivative(slots, par):
    rng = np.random.default_rng(3)
    par, w = np.array(par), rng.uniform(0.5, 2, N)
    mu, jac, *_ = evaluated(par, w, slots)
    np.testing.assert_allclose(mu, reference_mean(par, w, slots), rtol=1e-7)
    for j in range(len(par)):
        h = 1e-5 * max(abs(par[j]), 1)
        up, down = par.copy(), par.copy()
        up[j] += h
        down[j] -= h
        numeric = (reference_mean(up, w, slots) - reference_mean(down, w, slots)) / (2 * h)
        np.testing.assert_allclose(jac[j], numeric, atol=2e-6 * np.abs(numeric).max())


def test_peaks_with_a_weight_of_their_own_in_bins_that_are_not_centred():
    rng = np.random.default_rng(5)
    par, w, v = np.array([0.4, 0.9, 1.3, 2.5, 80.0]), rng.uniform(0.5, 2, N), rng.uniform(0.5, 2, N)
    shift = rng.uniform(-0.2, 0.2, N)
    mu, jac, *_ = evaluated(par, w, ONE, v, shift)

    def reference(par):
        t = (np.stack([EDGES[:-1], EDGES[1:]]) + shift - par[2]) / par[3]
        line = par[0] + (par[1] - par[0]) * np.arange(N) / (N - 1)
        return w * line + v * par[4] * (ndtr(t[1]) - ndtr(t[0]))

    np.testing.assert_allclose(mu, reference(par), atol=2e-3)  # third order in the shift is left out
    for j in range(len(par)):  # derivatives are those of the same expansion, to rounding
        h = 1e-5 * max(abs(par[j]), 1)
        up, down = par.copy(), par.copy()
        up[j] += h
        down[j] -= h
        numeric = (evaluated(up, w, ONE, v, shift)[0] - evaluated(down, w, ONE, v, shift)[0]) / (2 * h)
        np.testing.assert_allclose(jac[j], numeric, atol=2e-6 * np.abs(numeric).max())


def test_second_derivatives_that_newton_steps_use():
    par, w, h = np.array(CASES[0][1]), np.ones(N), 1e-4
    curve = evaluated(par, w, ONE)[2]
    for row, j in ((0, 2), (1, 3)):  # d/dposition and d/dsigma of dmu/dsigma
        up, down = par.copy(), par.copy()
        up[j] += h
        down[j] -= h
        numeric = (evaluated(up, w, ONE)[1][3] - evaluated(down, w, ONE)[1][3]) / (2 * h)
        np.testing.assert_allclose(curve[row], numeric, atol=1e-5 * np.abs(numeric).max())


def fit_one(counts, w, size=5, slots=ONE):
    low = np.array([0, 0, -N / 2, 0.3, 0, 0.0])[:size]
    high = np.array([np.inf, np.inf, N / 2, N / 2, np.inf, 1.0])[:size]
    par, cov, stat = np.empty((1, size)), np.empty((1, size, size)), np.empty((1, 6))
    guess = np.full((1, 1, size), np.nan)
    n = len(counts)
    model = model_of(np.arange(n + 1) - 0.5 * n, slots, low, high, NOTHING, NOTHING)
    rows = counts[None].astype(float), w[None], guess
    kernels.fit_rows(*rows, model, deviance_table(), 1e-10, 60, par, cov, stat)
    return par[0], cov[0], stat[0]


@pytest.mark.parametrize("seed", range(6))
def test_fit_is_the_maximum_that_scipy_finds(seed):
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.5, 2, N)
    truth = np.array([0.5, 1.0, rng.uniform(-5, 5), rng.uniform(1.5, 5), rng.uniform(60, 600)])
    counts = rng.poisson(reference_mean(truth, w, ONE))
    par, cov, stat = fit_one(counts, w)

    def minus_log_likelihood(p):
        mu = np.maximum(reference_mean(p, w, ONE), 1e-9)
        return (mu - xlogy(counts, mu)).sum()

    bounds = [(0, None), (0, None), (-20, 20), (0.3, 20), (0, None)]
    best = minimize(
        minus_log_likelihood,
        truth,
        bounds=bounds,
        method="L-BFGS-B",
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 5000},
    )
    assert minus_log_likelihood(par) <= best.fun + 1e-6
    np.testing.assert_allclose(par, best.x, atol=0.02 * np.sqrt(np.diag(cov)).max(), rtol=2e-3)
    assert stat[5] == kernels.CONVERGED


def test_errors_are_the_inverse_expected_information():
    rng = np.random.default_rng(1)
    w = rng.uniform(0.5, 2, N)
    par, cov, _ = fit_one(rng.poisson(reference_mean(np.array(CASES[0][1]), w, ONE)), w)
    mu, jac, *_ = evaluated(par, w, ONE)
    np.testing.assert_allclose(cov, np.linalg.inv((jac / mu) @ jac.T), rtol=1e-8)


def test_deviance_and_its_poisson_moments():
    rng = np.random.default_rng(1)
    mu = np.array([0.01, 0.3, 2.0, 40.0, 900.0])
    counts = rng.poisson(mu, (20000, 5))
    each = 2 * (xlogy(counts, counts / mu) - counts + mu)
    out, free = np.empty(4), np.full(5, np.inf)
    model = model_of(np.arange(2.0), ONE, -free, free, NOTHING, NOTHING)
    space = kernels.workspace(model)
    for i, m in enumerate(mu):
        kernels.load(counts[0, i : i + 1].astype(float), np.ones(1), model, space)
        space.mu[:] = m
        kernels.deviance(model, space, deviance_table(), out)
        assert out[0] == pytest.approx(each[0, i])
        n = np.arange(2000)
        chance, d = poisson.pmf(n, m), 2 * (xlogy(n, n / m) - n + m)
        mean = (chance * d).sum()
        assert out[1] == pytest.approx(mean, rel=2e-3)
        assert out[2] == pytest.approx((chance * (d - mean) ** 2).sum(), rel=5e-3)
        assert mean == pytest.approx(each[:, i].mean(), abs=5 * each[:, i].std() / np.sqrt(len(each)))


def test_edges_lie_between_centres():
    np.testing.assert_allclose(bin_edges(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])
