"""A measured spectrum with fluorescence, elastic and Compton scattering: peaks, their names, and the
scattering angle.
"""

from __future__ import annotations

import numpy as np
import pytest

from operando import compton
from operando.core.errors import ReadError
from operando.read import nexus_spectra

pytestmark = pytest.mark.realdata


@pytest.fixture
def spectrum(real_data):
    path = real_data / "xrf_compton_i18" / "mm.nxs"
    if not path.exists():
        pytest.skip("xrf_compton_i18/mm.nxs is not on this machine")
    data = nexus_spectra(path, energy_units="keV")
    return data["energy"].values, data["counts"].values.sum((0, 1, 2)), data.attrs["beam_keV"]


def test_energies_without_units_stop(real_data):
    path = real_data / "xrf_compton_i18" / "mm.nxs"
    if not path.exists():
        pytest.skip("xrf_compton_i18/mm.nxs is not on this machine")
    with pytest.raises(ReadError, match="without units"):
        nexus_spectra(path)


def test_elastic_and_compton_give_the_angle(spectrum):
    energy, counts, beam = spectrum
    assert beam == pytest.approx(17.0, abs=1e-3)
    found = compton.find_scattering(counts, energy, beam)
    assert found["elastic"] == pytest.approx(17.0, abs=0.005)
    assert found["compton"] == pytest.approx(16.07, abs=0.03)
    assert 0.001 < found["compton_err"] < 0.02
    assert found["angle"] == pytest.approx(137.3, abs=2.0)
    assert 0.1 < found["angle_err"] < 3.0
    peak = compton.compton_energy(found["elastic"], found["angle"])
    assert peak == pytest.approx(found["compton"], abs=1e-3)
    assert found["chi2"] < 2


def test_lines_are_named(spectrum):
    pytest.importorskip("xraylib")
    energy, counts, _ = spectrum
    above = energy > 2
    peaks = compton.find_spectrum_peaks(counts[above], energy[above], resolution_keV=0.15)
    names = compton.name_lines(
        peaks["energy"].values,
        ("Ar", "Ca", "Cr", "Fe", "Co", "Ni", "Cu", "Zn", "Br", "Kr"),
        extra={"elastic": 17.0},
    )
    found = set(names["name"].values)
    assert {"Cu Ka", "Zn Ka", "Zn Kb", "Fe Ka", "Ar Ka", "elastic"} <= found
    assert not {"Ca Ka", "Co Ka"} & found
    hump = names["name"].values[np.abs(peaks["energy"].values - 16.07).argmin()]
    assert hump == ""  # the Compton hump is no line
    strong = np.isin(names["name"].values, ["Cu Ka", "Zn Ka", "Fe Ka"])
    assert np.abs(names["distance"].values[strong]).max() < 0.01
