"""Spacings and lattice parameters against cells of known size."""

import numpy as np
import pytest
import xarray as xr

from operando.core import Phase, Reflection
from operando.core.errors import InputError
from operando.diffraction import d_spacing, lattice_from_pair, lattice_parameter

LCO = Phase.from_parameters("LiCoO2", a=2.8035, c=14.0, spacegroup="R-3m")


def fits(q, err=1e-3):
    return xr.Dataset({"q": ("x", np.atleast_1d(q)), "q_err": ("x", np.full(np.size(q), err))})


@pytest.mark.parametrize(
    ("phase", "hkl", "name", "value"),
    [
        (LCO, (0, 0, 3), "c", 14.0),
        (LCO, (1, 1, 0), "a", 2.8035),
        (Phase.from_parameters("Au", a=4.078, spacegroup="Fm-3m"), (1, 1, 1), "a", 4.078),
        (Phase.from_parameters("CeO2", a=5.4113, spacegroup="Fm-3m"), (3, 1, 1), "a", 5.4113),
        (Phase.from_parameters("Sn", a=5.8316, c=3.1815, spacegroup="I41/amd"), (2, 0, 0), "a", 5.8316),
    ],
)
def test_the_cell_is_recovered(phase, hkl, name, value):
    found = lattice_parameter(fits(phase.reflection(hkl).q), phase.reflection(hkl), phase)
    assert float(found[name][0]) == pytest.approx(value, rel=1e-9)
    assert found[name].attrs["units"] == "angstrom"
    assert set(found.data_vars) == {"d", "d_err", name, f"{name}_err"}


def test_errors_are_those_of_repeated_measurements():
    rng = np.random.default_rng(0)
    reflection, err = LCO.reflection((0, 0, 3)), 4e-4
    found = lattice_parameter(fits(reflection.q + err * rng.standard_normal(20000), err), reflection, LCO)
    assert float(found["c"].std()) == pytest.approx(float(found["c_err"].mean()), rel=0.02)


def test_a_and_c_from_two_mixed_reflections():
    rng, err = np.random.default_rng(1), 2e-4
    one, two = LCO.reflection((1, 0, 1)), LCO.reflection((1, 0, 4))
    first, second = (fits(r.q + err * rng.standard_normal(20000), err) for r in (one, two))
    found = lattice_from_pair(first, one, second, two, LCO)
    for name, value in (("a", 2.8035), ("c", 14.0)):
        pull = (found[name] - value) / found[f"{name}_err"]
        assert float(pull.mean()) == pytest.approx(0, abs=0.05)
        assert float(pull.std()) == pytest.approx(1, abs=0.03)


def test_mixed_reflection_alone_gives_d_only():
    reflection = LCO.reflection((1, 0, 4))
    assert set(lattice_parameter(fits(reflection.q), reflection, LCO).data_vars) == {"d", "d_err"}


def test_missing_stays_missing():
    assert np.isnan(d_spacing(fits(np.nan))["d"].values).all()


def test_pairs_that_do_not_fix_the_cell_are_refused():
    one, two = LCO.reflection((0, 0, 3)), Reflection("LiCoO2", (0, 0, 6), 14 / 6)
    with pytest.raises(InputError, match="do not fix a and c"):
        lattice_from_pair(fits(1.0), one, fits(1.0), two, LCO)
