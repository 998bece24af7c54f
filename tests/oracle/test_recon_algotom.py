"""Reconstruction, stripes and phase retrieval against algotom, and against scikit-image."""

import sys
from pathlib import Path

import numpy as np
import pytest

from operando.tomography.fourier_backproject import backproject, outside_circle
from operando.tomography.phase import retrieve_phase
from operando.tomography.stripes import remove_stripes

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recovery"))
phantom = pytest.importorskip("recon_phantom")
pytest.importorskip("finufft", reason="needs the extra tomo")
reconstruction = pytest.importorskip("algotom.rec.reconstruction", reason="needs the extra tomo")
removal = pytest.importorskip("algotom.prep.removal")
filtering = pytest.importorskip("algotom.prep.filtering")

WIDTH, CENTRE = 160, 81.4
ANGLES = np.linspace(0, 180, 240, endpoint=False)


@pytest.fixture(scope="module")
def slices():
    shapes = phantom.cell(WIDTH)
    sino = phantom.line_integrals(shapes, ANGLES, WIDTH, CENTRE).astype(np.float32)
    return (
        sino,
        phantom.slice_truth(shapes, WIDTH),
        ~outside_circle(WIDTH, (0, WIDTH, 0, WIDTH), 0.46 * WIDTH),
    )


@pytest.mark.parametrize("window", ["hann", "ramp"])
def test_equal_to_algotom_fbp_and_nearer_the_truth(slices, window):
    """Algotom interpolates linearly between pixels, which blurs: with the soft filter both agree to 1 % of the range;
    with either ours is no further from the truth. Algotom's rows run the other way."""
    sino, truth, mask = slices
    name = None if window == "ramp" else window
    peer = reconstruction.fbp_reconstruction(
        sino, CENTRE, np.deg2rad(ANGLES), apply_log=False, gpu=False, ncore=1, filter_name=name
    )[::-1]
    ours = backproject(sino, ANGLES, CENTRE, window=window)
    span = np.ptp(truth)
    rms = [
        float(np.sqrt(((a - b)[mask] ** 2).mean())) / span
        for a, b in ((ours, peer), (ours, truth), (peer, truth))
    ]
    assert rms[0] < (0.01 if window == "hann" else 0.03)
    assert rms[1] <= rms[2]
    assert abs((ours - truth)[mask].mean()) < 2e-3 * truth[mask].mean()


def test_equal_to_scikit_image():
    """Odd width: iradon puts the axis on a pixel. Cubic interpolation and a soft filter: 0.5 % of the range."""
    transform = pytest.importorskip("skimage.transform")
    width, centre = 161, 80.0
    sino = phantom.line_integrals(phantom.cell(width), ANGLES, width, centre)
    peer = transform.iradon(sino.T, theta=ANGLES, filter_name="hann", interpolation="cubic", circle=True)[
        ::-1
    ]
    ours = backproject(sino, ANGLES, centre, window="hann")
    mask = ~outside_circle(width, (0, width, 0, width), 0.46 * width)
    assert np.sqrt(((ours - peer)[mask] ** 2).mean()) < 0.005 * np.ptp(ours[mask])


def test_sorting_filter_is_algotoms(rng):
    sinogram = rng.permuted(np.arange(90 * 70, dtype=np.float32)).reshape(
        90, 70
    )  # no ties: their order is free
    for size in (5, 21):
        np.testing.assert_array_equal(
            remove_stripes(sinogram, "sorting", size), removal.remove_stripe_based_sorting(sinogram, size)
        )


@pytest.mark.parametrize(
    ("method", "name"),
    [("normalization", "remove_stripe_based_normalization"), ("filtering", "remove_stripe_based_filtering"),
     ("wavelet", "remove_stripe_based_wavelet_fft"), ("fitting", "remove_stripe_based_fitting"),
     ("all", "remove_all_stripe")],
)  # fmt: skip
def test_other_stripe_methods_are_algotoms(slices, method, name):
    sino = slices[0].copy()
    sino[:, 60] += 0.1
    mended = remove_stripes(sino, method)
    assert mended.dtype == np.float32
    np.testing.assert_allclose(mended, getattr(removal, name)(sino), rtol=1e-6, atol=1e-7)


def test_phase_retrieval_is_the_fresnel_filter(rng):
    """Inside the border region: algotom is given images that are continued already, without its own padding."""
    image = 0.6 + 0.3 * rng.random((40, 50)).astype(np.float32)
    ratio, pad = 60.0, 30
    wide = np.pad(image, pad, mode="edge")
    peer = -np.log(filtering.fresnel_filter(wide, ratio, dim=2, pad=0, apply_log=False))[pad:-pad, pad:-pad]
    np.testing.assert_allclose(retrieve_phase(image, ratio), peer, atol=2e-3)
