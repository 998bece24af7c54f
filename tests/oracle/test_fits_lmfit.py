"""Peak fits against lmfit and scipy.optimize on the same noise."""

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.special import ndtr

from operando.diffraction import fit_peaks

STEP, N = 0.0025, 40
Q = 1.30 + STEP * np.arange(N)
EDGES = np.append(Q - STEP / 2, Q[-1] + STEP / 2)


@pytest.fixture(scope="module")
def profiles():
    rng = np.random.default_rng(8)
    q0 = Q.mean() + rng.uniform(-3, 3, 40) * STEP
    mu = 4e5 * np.diff(ndtr((EDGES - q0[:, None]) / 0.008), axis=1) + 2000 + 3e4 * (Q - Q.mean())
    return rng.poisson(mu)


def model(q, centre, sigma, area, background, slope):
    step = q[1] - q[0]
    edges = np.append(q - step / 2, q[-1] + step / 2)
    return area * np.diff(ndtr((edges - centre) / sigma)) / step + background + slope * (q - Q.mean())


def test_lmfit_agrees_within_a_twentieth_of_an_error(profiles):
    lmfit = pytest.importorskip("lmfit")
    fit = fit_peaks(Q, profiles)
    peer = lmfit.Model(model)
    for i, counts in enumerate(profiles[:10]):
        start = peer.make_params(
            centre=Q[counts.argmax()], sigma=0.006, area=1000.0, background=1900.0, slope=0.0
        )
        found = peer.fit(counts, start, q=Q, weights=1 / np.sqrt(model(Q, *_truthlike(fit, i)))).params
        for name, theirs in (("q", "centre"), ("width", "sigma"), ("area", "area")):
            error = float(fit[f"{name}_err"][i])
            assert abs(found[theirs].value - float(fit[name][i])) < 0.05 * error
            assert found[theirs].stderr == pytest.approx(
                error, rel=0.6
            )  # theirs is scaled by its chi-squared


def test_curve_fit_errors_agree(profiles):
    fit = fit_peaks(Q, profiles)
    for i, counts in enumerate(profiles):
        start = _truthlike(fit, i)
        best, cov = curve_fit(model, Q, counts, start, np.sqrt(model(Q, *start)), absolute_sigma=True)
        for j, name in enumerate(("q", "width", "area", "background", "slope")):
            error = float(fit[f"{name}_err"][i])
            assert abs(best[j] - float(fit[name][i])) < 0.05 * error
            assert np.sqrt(cov[j, j]) == pytest.approx(error, rel=0.02)


def _truthlike(fit, i):
    return [float(fit[name][i]) for name in ("q", "width", "area", "background", "slope")]
