"""Impedance against impedance.py (MIT), cycler files against galvani (GPL), where these are installed."""

from __future__ import annotations

import numpy as np
import pytest

from operando.echem import circuit_impedance, fit_circuit, kramers_kronig
from operando.read.biologic import read_mpr
from operando.read.impedance import impedance

CIRCUITS = [
    ("R0-p(R1,CPE1)", [30.0, 200.0, 1e-5, 0.8]),
    ("L0-R0-p(R1,C1)-W1", [1e-6, 30.0, 200.0, 1e-5, 12.0]),
    ("R0-p(R1,C1)-p(R2-Wo1,C2)", [30.0, 200.0, 1e-5, 20.0, 15.0, 30.0, 1e-3]),
    ("R0-p(R1,CPE1)-Ws1", [30.0, 200.0, 1e-5, 0.8, 40.0, 10.0]),
]


@pytest.mark.parametrize(("circuit", "values"), CIRCUITS)
def test_impedance_of_a_circuit_is_that_of_the_reference(circuit, values):
    models = pytest.importorskip("impedance.models.circuits", reason="impedance.py is not installed")
    frequency = np.geomspace(1e5, 1e-2, 40)
    theirs = models.CustomCircuit(circuit, initial_guess=values).predict(frequency, use_initial=True)
    np.testing.assert_allclose(circuit_impedance(circuit, values, frequency), theirs, rtol=1e-9)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "circuit", "start"),
    [
        ("Circuit1_EIS_1.z", "R0-p(R1,C1)", [20.0, 50.0, 1e-5]),
        ("Circuit2_EIS_1.z", "R0-p(R1,C1)", [20.0, 50.0, 1e-7]),
        ("exampleDataBioLogic.mpt", "R0-p(R1,CPE1)", [60.0, 40.0, 1e-2, 0.8]),
        ("exampleData.csv", "R0-p(R1,C1)-p(R2-Wo1,C2)", [0.01, 0.01, 100, 0.01, 0.05, 100, 1]),
    ],
)
def test_fits_are_those_of_the_reference(real_data, name, circuit, start):
    models = pytest.importorskip("impedance.models.circuits", reason="impedance.py is not installed")
    spectrum = impedance(real_data / "eis" / name)[0]
    spectrum = spectrum.isel(frequency=spectrum.z_im.values < 0)
    z = spectrum.z_re.values + 1j * spectrum.z_im.values
    theirs = models.CustomCircuit(circuit, initial_guess=start)
    theirs.fit(spectrum.frequency.values, z, weight_by_modulus=True)
    ours = fit_circuit(spectrum, circuit, start)
    known = theirs.conf_ < 0.3 * np.abs(theirs.parameters_)  # the rest is free: what it is says nothing
    assert known.sum() >= 3
    np.testing.assert_allclose(ours.value[known], theirs.parameters_[known], rtol=2e-4)
    resistors = known & np.char.startswith(ours.parameter.values.astype(str), "R")
    # its derivatives are differences in steps too coarse for 1e-10 F: errors of capacitors are left to recovery tests
    np.testing.assert_allclose(ours.value_err[resistors], theirs.conf_[resistors], rtol=0.03)


@pytest.mark.realdata
def test_kramers_kronig_is_that_of_the_reference(real_data):
    validation = pytest.importorskip("impedance.validation", reason="impedance.py is not installed")
    validation.circuit_elements.setdefault("np", np)  # its own table of names lacks it
    spectrum = impedance(real_data / "eis" / "exampleData.csv")[0]
    spectrum = spectrum.isel(frequency=spectrum.z_im.values < 0)
    z = spectrum.z_re.values + 1j * spectrum.z_im.values
    count, mu, _, re, im = validation.linKK(
        spectrum.frequency.values, z, c=0.85, max_M=50, fit_type="complex", add_cap=True
    )
    ours = kramers_kronig(spectrum, min_per_decade=0)
    assert ours.attrs["elements"] == count
    assert ours.attrs["mu"] == pytest.approx(mu, abs=1e-3)
    np.testing.assert_allclose(ours.residual_re, re, atol=2e-4)
    np.testing.assert_allclose(ours.residual_im, im, atol=2e-4)


@pytest.mark.realdata
def test_vendor_files_have_the_numbers_of_the_reference(real_data):
    preprocessing = pytest.importorskip("impedance.preprocessing", reason="impedance.py is not installed")
    vendors = {
        "exampleDataAutolab.txt": "autolab", "exampleDataBioLogic.mpt": "biologic", "exampleData.csv": None,
        "exampleDataCHInstruments.txt": "chinstruments", "exampleDataGamry.DTA": "gamry",
        "exampleDataGamryABORT.DTA": "gamry", "exampleDataParstat.txt": "parstat",
        "exampleDataPowersuite.txt": "powersuite", "exampleDataVersaStudio.par": "versastudio",
        "exampleDataZPlot.z": "zplot", "exampleDataZPlot_noComments.z": "zplot", "Circuit3_EIS_2.z": "zplot",
    }  # fmt: skip
    for name, vendor in vendors.items():
        frequency, z = preprocessing.readFile(str(real_data / "eis" / name), instrument=vendor)
        (spectrum,) = impedance(real_data / "eis" / name)
        np.testing.assert_array_equal(spectrum.frequency, frequency, err_msg=name)
        np.testing.assert_array_equal(spectrum.z_re + 1j * spectrum.z_im, z, err_msg=name)


@pytest.mark.realdata
def test_binary_columns_are_those_of_galvani(real_data):
    biologic = pytest.importorskip("galvani.BioLogic", reason="galvani is not installed")
    for path in sorted((real_data / "cycler").rglob("*.mpr")):
        theirs = biologic.MPRfile(str(path)).data
        ours = read_mpr(path).columns
        for name in ("time/s", "Ewe/V", "(Q-Qo)/mA.h"):
            if name in theirs.dtype.names:
                np.testing.assert_array_equal(ours[name], theirs[name], err_msg=f"{path.name} {name}")
