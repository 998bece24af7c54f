"""Principal strains of NMC811 on charging, against the reference files of PASCal (Maerker et al. 2019)."""

from pathlib import Path

import numpy as np
import pytest

from operando.diffraction.strain import principal_strains, strain_rate

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "lattice_nmc811"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.exists(), reason="no ../shared/data/lattice_nmc811 beside the checkout"),
]


@pytest.fixture(scope="module")
def strains():
    table = np.loadtxt(FOLDER / "input.tsv")
    return principal_strains(table[:, 2:], table[:, 0])


def read(name):
    return [line.split() for line in (FOLDER / name).read_text().splitlines()]


def test_volumes(strains):
    reference = np.array([[float(v) for v in row] for row in read("volumes.tsv")])
    np.testing.assert_allclose(strains.volume, reference[:, 1], atol=6e-5)  # printed to four decimals


def test_axes(strains):
    """One principal axis along c; the others lie anywhere in the plane, where the strain is isotropic."""
    reference = np.array([[float(v) for v in row] for row in read("principal_axes.tsv")])[:, 1:].reshape(
        -1, 3, 3
    )
    c_axis = np.abs(reference[:, :, 2]).argmax(1)
    for k in range(2, len(strains.capacity)):
        ours = strains.axis.values[k]
        assert np.abs(ours[:, 2]).max() == pytest.approx(np.abs(reference[k - 1, c_axis[k - 1], 2]), abs=1e-4)
    table = np.loadtxt(FOLDER / "input.tsv")
    along_c = np.abs(strains.axis.values[2:, :, 2]).argmax(1)
    c_strain = np.take_along_axis(strains.strain.values[2:], along_c[:, None], 1)[:, 0]
    np.testing.assert_allclose(c_strain, table[2:, 4] / table[0, 4] - 1, atol=1e-12)


def test_rates_at_mid_charge(strains):
    """The reference gives d strain / d charge in 1e-6 g/mAh at the middle point, from Chebyshev fits of degree 4.

    Its strain is (r^2 - 1)/(r^2 + 1) in terms of the stretch r, to the digits it prints.
    """
    reference = {row[0]: float(row[1]) for row in read("output.tsv")}
    r2 = strains.stretch**2
    along_c = np.abs(strains.axis.values[:, :, 2]).argmax(1)
    by_axis = np.stack([np.take_along_axis(r2.values, along_c[:, None], 1)[:, 0], np.prod(r2.values, 1)], 1)
    c2 = by_axis[:, 0]
    a2 = np.sqrt(by_axis[:, 1] / c2)
    finite = r2.isel(principal=[0, 1]).copy(data=np.stack([(a2 - 1) / (a2 + 1), (c2 - 1) / (c2 + 1)], 1))
    rate = 1e6 * strain_rate(finite, "capacity", degree=4).values[len(c2) // 2]
    np.testing.assert_allclose(rate, [reference["X1"], reference["X2"]], rtol=1e-5)
    volume = 1e6 * strain_rate(strains.volume, "capacity", degree=5).values[len(c2) // 2]
    assert volume == pytest.approx(reference["V"], abs=1e-3)
