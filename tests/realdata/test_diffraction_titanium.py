"""Rings of a two-phase titanium alloy: indexed, and their strain along azimuth as another library's sectors have it."""

import numpy as np
import pytest

from operando.core import Geometry, Phase, Sums
from operando.diffraction import fit_peaks, ring_strain
from operando.read import open_scans
from operando.stream import AzimuthalMap
from operando.stream import run as stream_run

pytestmark = pytest.mark.realdata
#: windows (1/angstrom) of rings that stand alone: alpha (101), alpha (102), beta (200)
RINGS = {"alpha 101": (2.74, 2.85), "alpha 102": (3.55, 3.69), "beta 200": (3.74, 3.91)}
SECTORS = 36
FRAME = 0


@pytest.fixture(scope="module")
def sample():
    import fabio
    from test_diffraction_spotty import FOLDER

    folder = FOLDER.parent / "xrd_caking_ti"
    if not folder.is_dir():
        pytest.skip("../shared/data/xrd_caking_ti is not here")
    frames = open_scans(str(folder / "*.tif"))[0].frames
    mask = fabio.open(folder / "DLS_CeO2_1200mm.mask").data != 0
    geometry = Geometry.from_poni(folder / "DLS_CeO2_1200mm_pyFAI.poni").for_shape(frames.shape)
    return folder, frames, mask, geometry


@pytest.fixture(scope="module")
def cake(sample):
    _, frames, mask, geometry = sample
    reduction = AzimuthalMap(
        geometry=geometry, mask=mask, q_bins=1200, q_range=(2.3, 5.3), azimuth_bins=SECTORS, splitting="none"
    )
    return pick(stream_run([reduction], frames)["map"], frame=FRAME)


def pick(sums, **where):
    parts = (sums.signal, sums.variance, sums.weight)
    return Sums(*(part.isel({k: v for k, v in where.items() if k in part.dims}) for part in parts))


def of_window(cake, window):
    q = cake.signal["q"].values
    return pick(cake, q=np.flatnonzero((q > window[0]) & (q < window[1])))


def test_hcp_rings_are_indexed(cake):
    """a and c of the hexagonal phase from (100) and (101) tell where three more rings are."""
    mean = cake.sum("azimuth")

    def position(q0, half=0.035):
        fit = fit_peaks(of_window(mean, (q0 - half, q0 + half)), shape="pseudo-voigt")
        return float(fit["q"]), float(fit["q_err"])

    first, second = position(2.458)[0], position(2.796)[0]
    a = 4 * np.pi / (np.sqrt(3) * first)
    c = 2 * np.pi / np.sqrt(second**2 - first**2)
    assert 2.93 < a < 2.97
    assert 1.58 < c / a < 1.61
    alpha = Phase.from_parameters("alpha Ti", a=a, c=c, spacegroup="P63/mmc")
    for hkl in ((0, 0, 2), (1, 0, 2), (1, 1, 0)):
        calculated = alpha.reflection(hkl).q
        assert position(calculated)[0] == pytest.approx(calculated, rel=1e-3)


def peer_sectors(sample, window):
    """(chi, q, q_err) of every sector: pyFAI's cake and SciPy's least squares of a pseudo-Voigt on a line."""
    import fabio
    import pyFAI
    from scipy.optimize import curve_fit

    folder, _, mask, _ = sample
    integrator = pyFAI.load(str(folder / "DLS_CeO2_1200mm_pyFAI.poni"))
    image = fabio.open(folder / f"pixium_0315{FRAME}.tif").data
    found = integrator.integrate2d_ng(
        image, 60, SECTORS, radial_range=tuple(10 * v for v in window), azimuth_range=(-180, 180), mask=mask,
        unit="q_nm^-1", method=("bbox", "csr", "cython"), error_model="poisson", correctSolidAngle=True,
    )  # fmt: skip
    q = found.radial / 10

    def peak(x, place, fwhm, area, eta, level, slope):
        u = (x - place) / (fwhm / 2)
        shape = eta / (np.pi * (1 + u * u)) + (1 - eta) * np.sqrt(np.log(2) / np.pi) * np.exp(
            -np.log(2) * u * u
        )
        return area * shape / (fwhm / 2) + level + slope * (x - q.mean())

    rows = []
    for counts, sigma in zip(found.intensity, found.sigma, strict=True):
        level = np.median(counts)
        start = [q[counts.argmax()], 0.015, (counts - level).sum() * (q[1] - q[0]), 0.4, level, 0.0]
        limits = [[q[0], 0.002, 0, 0, -np.inf, -np.inf], [q[-1], 0.1, np.inf, 1, np.inf, np.inf]]
        best, cov = curve_fit(peak, q, counts, start, np.maximum(sigma, 1e-6), bounds=limits, maxfev=5000)
        rows.append((best[0], np.sqrt(cov[0, 0])))
    return found.azimuthal, *np.array(rows).T


@pytest.mark.parametrize("ring", list(RINGS))
def test_strain_along_the_ring_agrees_with_sector_wise_fits(sample, cake, ring):
    window = RINGS[ring]
    fit = fit_peaks(of_window(cake, window), shape="pseudo-voigt")
    azimuth = fit["azimuth"].values
    q, q_err = fit["q"].values, fit["q_err"].values  # NaN where a fit is missing
    chi, peer_q, peer_err = peer_sectors(sample, window)
    # chi runs the other way round on this detector (see `Geometry`), sector by sector
    order = [int(np.abs((azimuth - b + 180) % 360 - 180).argmin()) for b in matched(sample, chi)]
    assert sorted(order) == list(range(SECTORS))
    assert np.isfinite(q).sum() > 30
    off = (q[order] - peer_q) / peer_q
    assert np.nanstd(off) < 6e-5  # a seventh of what the strain does, a fiftieth of a pixel
    assert abs(np.nanmean(off)) < 2e-5
    ours, theirs = (
        ring_strain(a, *v) for a, v in ((azimuth, (q, q_err)), (azimuth[order], (peer_q, peer_err)))
    )
    for name in ("difference", "xz"):
        both = np.hypot(float(ours[f"{name}_err"]), float(theirs[f"{name}_err"]))
        assert abs(float(ours[name]) - float(theirs[name])) < min(both, 1e-4)


def matched(sample, chi):
    """Our azimuth of pyFAI's chi: asked of the geometry at the pixels themselves."""
    import pyFAI

    folder, frames, _, geometry = sample
    integrator = pyFAI.load(str(folder / "DLS_CeO2_1200mm_pyFAI.poni"))
    theirs = np.degrees(integrator.chiArray(frames.shape))
    ours = geometry.azimuth()
    away = []
    for value in chi:
        near = np.abs((theirs - value + 180) % 360 - 180) < 1
        away.append(np.degrees(np.angle(np.exp(1j * np.radians(ours[near])).mean())) % 360)
    return away
