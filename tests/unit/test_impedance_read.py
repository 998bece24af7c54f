"""Impedance text files made by hand: names, signs, several spectra in one file, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from operando.core.errors import OperandoError, ReadError
from operando.read.impedance import impedance

F = np.geomspace(1e4, 1, 13)
Z = 10 + 50 / (1 + 2j * np.pi * F * 1e-3)


@pytest.mark.parametrize(
    ("header", "sign", "separator"),
    [
        ("freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm", -1, ","),
        ("Frequency (Hz)\tZre (ohms)\tZim (ohms)", 1, "\t"),
        ("Freq/Hz, Z'/ohm, Z\"/ohm", 1, ", "),
        ("Frequency;Zreal;Zimag", 1, ";"),
        ("", 1, ","),
    ],
)
def test_names_and_signs(tmp_path, header, sign, separator):
    rows = [
        separator.join(f"{v:.12g}" for v in (f, z.real, sign * z.imag)) for f, z in zip(F, Z, strict=True)
    ]
    path = tmp_path / "a.txt"
    path.write_text("\n".join([header, *rows] if header else rows))
    (spectrum,) = impedance(path)
    np.testing.assert_allclose(spectrum.frequency, F)
    np.testing.assert_allclose(spectrum.z_re + 1j * spectrum.z_im, Z)
    assert (spectrum.z_im < 0).all()


def test_spectra_that_follow_each_other_are_told_apart(tmp_path):
    rows = [
        f"{f:.12g},{z.real:.12g},{z.imag:.12g}" for k in range(3) for f, z in zip(F, Z * (1 + k), strict=True)
    ]
    path = tmp_path / "a.csv"
    path.write_text("freq/Hz,Zre,Zim\n" + "\n".join(rows) + "\n1.0,broken")
    spectra = impedance(path)
    assert [s.sizes["frequency"] for s in spectra] == [13, 13, 13]
    np.testing.assert_allclose(spectra[2].z_re, 3 * Z.real)


@pytest.mark.parametrize(
    "text",
    ["", "nothing of the kind\n", "freq/Hz,Zre,Zim\n", "ZPLOT2 ASCII\n no end", "EXPLAIN\nTAG\tEISPOT\n"],
)
def test_what_holds_no_spectrum_is_refused_with_a_reason(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(ReadError):
        impedance(path)


def test_a_damaged_number_is_one_clear_error(tmp_path):
    lines = ["EC-Lab ASCII FILE", "Nb header lines : 3", "freq/Hz\tRe(Z)/Ohm\t-Im(Z)/Ohm\t"]
    path = tmp_path / "a.mpt"
    path.write_text("\n".join([*lines, "1.0E+003\t1.0E+001\t2.0E+000", "1.0E+0x2\t1.0E+001\t2.0E+000", ""]))
    with pytest.raises(OperandoError, match="not a number"):
        impedance(path)


@pytest.mark.parametrize("damaged", ["0,0", "1e-30,0", "1e30,1"])
def test_an_impedance_that_cannot_be_is_left_out(tmp_path, damaged):
    rows = [f"{f:.12g},{z.real:.12g},{z.imag:.12g}" for f, z in zip(F, Z, strict=True)]
    rows[-1] = f"{rows[-1].split(',')[0]},{damaged}"
    path = tmp_path / "a.csv"
    path.write_text("freq/Hz,Zre,Zim\n" + "\n".join(rows))
    (spectrum,) = impedance(path)
    np.testing.assert_allclose(spectrum.frequency, F[:-1])


@pytest.mark.parametrize("damaged", ["1e-320", "1e300", "-5", "inf"])
def test_a_frequency_that_cannot_be_is_left_out(tmp_path, damaged):
    rows = [f"{f:.12g},{z.real:.12g},{z.imag:.12g}" for f, z in zip(F, Z, strict=True)]
    rows[-1] = f"{damaged},{rows[-1].split(',', 1)[1]}"
    path = tmp_path / "a.csv"
    path.write_text("freq/Hz,Zre,Zim\n" + "\n".join(rows))
    (spectrum,) = impedance(path)
    np.testing.assert_allclose(spectrum.frequency, F[:-1])
