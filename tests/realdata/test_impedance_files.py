"""Impedance files of eight vendors: read, or refused with a reason; and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from operando.core.errors import ReadError
from operando.echem import fit_circuit, kramers_kronig
from operando.read.impedance import impedance

pytestmark = pytest.mark.realdata


def test_every_file_is_read_or_refused_with_a_reason(real_data):
    refused = []
    for path in sorted((real_data / "eis").glob("*.*")):
        try:
            spectra = impedance(path)
        except ReadError as error:
            refused.append((path.name, str(error)))
            continue
        assert len(spectra) == 1
        assert spectra[0].sizes["frequency"] >= 20
        assert (spectra[0].frequency > 0).all()
    assert [name for name, _ in refused] == ["exampleDataBioLogic_MissingFreq.mpt"]
    assert "names 17 columns, but row 1" in refused[0][1]  # its frequencies have no name


def test_spectra_within_a_battery_test_are_told_apart(real_data):
    folder = real_data / "cycler" / "biologic_pairs"
    binary, text = (impedance(folder / f"mb.issue_149.{ending}", zone="UTC") for ending in ("mpr", "mpt"))
    assert len(binary) == len(text) == 16
    for a, b in zip(binary, text, strict=True):
        assert float(a.frequency[0]) > 9e3
        assert float(a.frequency[-1]) < 101
        np.testing.assert_allclose(a.z_re, b.z_re, rtol=1e-6)
        np.testing.assert_allclose(a.z_im, b.z_im, rtol=1e-6, atol=1e-6)
    times = [s.attrs["utc"] for s in binary]
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize(("number", "resistors"), [(1, 1), (2, 1)])
def test_dummy_cells_obey_kramers_kronig_and_fit_their_circuit(real_data, number, resistors):
    for repeat in (1, 2):
        spectrum = impedance(real_data / "eis" / f"Circuit{number}_EIS_{repeat}.z")[0]
        assert kramers_kronig(spectrum).attrs["rms"] < 0.01
        fit = fit_circuit(
            spectrum.isel(frequency=spectrum.z_im.values < 0), "R0-p(R1,CPE1)", [50, 300, 1e-7, 0.9]
        )
        assert float(fit.rms) < 0.05
        assert (fit.value_err[:2] < 0.05 * fit.value[:2]).all()
