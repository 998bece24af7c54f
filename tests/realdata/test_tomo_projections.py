"""A scan of 91 projections by others (Savu's test data): centre, rings beside algotom's, speed of the whole way."""

from pathlib import Path

import numpy as np
import pytest

from operando.read.projections import open_projections
from operando.tomography.centre_scan import find_centre
from operando.tomography.correct import Correction, Mended, sinograms
from operando.tomography.flats import plan_flats
from operando.tomography.fourier_backproject import backproject, outside_circle
from operando.tomography.stripes import remove_stripes, ring_roughness

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tomo_projections" / "image_test"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.exists(), reason="no ../shared/data/tomo_projections beside the checkout"),
]
pytest.importorskip("finufft", reason="needs the extra tomo")

CENTRE = 86.0


@pytest.fixture(scope="module")
def scan():
    return open_projections(FOLDER, pixel_um=10.0)


@pytest.fixture(scope="module")
def sino(scan):
    return sinograms(scan, plan_flats(scan), slice(None), Correction(stripes="none"))


def test_angles_of_flats_and_darks_are_set_aside(scan):
    assert len(scan) == 91
    assert scan.angles_deg[0] == -88.2
    assert scan.angles_deg[-1] == pytest.approx(91.8, abs=1e-3)
    assert any(note.startswith("20 angles at the ends") for note in scan.notes)


def test_centre(scan):
    found = find_centre(scan, plan_flats(scan), threads=2)
    assert found.value == pytest.approx(CENTRE, abs=0.5)
    assert {e.way for e in found.estimates} == {"pairs", "focus"}
    assert found.disagreement < 1.0


def test_attenuation_is_positive_and_mended_values_are_counted(scan):
    mended = Mended()
    values = sinograms(scan, plan_flats(scan), slice(60, 100), Correction(), mended=mended)
    assert values.min() > 0
    assert mended.opaque == 0


def test_rings_are_no_worse_than_algotoms(scan, sino):
    """Azimuthal mean's roughness, median over the rows with sample: each by its usual stripe filter, same window."""
    reconstruction = pytest.importorskip("algotom.rec.reconstruction", reason="needs the extra tomo")
    from algotom.prep import removal

    angles = np.sort(scan.angles_deg)
    hidden = outside_circle(scan.columns, (0, scan.columns, 0, scan.columns), 70)
    ours, theirs = [], []
    for row in range(60, 130, 7):
        image = backproject(remove_stripes(sino[row]), angles, CENTRE, window="hann")
        peer = reconstruction.fbp_reconstruction(
            removal.remove_stripe_based_sorting(sino[row]), CENTRE, np.deg2rad(angles), apply_log=False, gpu=False,
            ncore=1, filter_name="hann",
        )[::-1].copy()  # fmt: skip
        image[hidden] = peer[hidden] = np.nan
        ours.append(ring_roughness(image))
        theirs.append(ring_roughness(peer))
    assert np.median(ours) <= np.median(theirs)


def test_slice_agrees_with_algotoms(scan, sino):
    """Without the last image, which stands half a turn from the first: algotom counts it twice and gets a band."""
    reconstruction = pytest.importorskip("algotom.rec.reconstruction", reason="needs the extra tomo")
    angles = np.sort(scan.angles_deg)[:-1]
    mask = ~outside_circle(scan.columns, (0, scan.columns, 0, scan.columns), 70)
    for row in (68, 90, 120):
        image = backproject(sino[row, :-1], angles, CENTRE, window="hann")[mask]
        peer = reconstruction.fbp_reconstruction(
            sino[row, :-1],
            CENTRE,
            np.deg2rad(angles),
            apply_log=False,
            gpu=False,
            ncore=1,
            filter_name="hann",
        )[::-1][mask]
        assert np.corrcoef(image, peer)[0, 1] > 0.995
