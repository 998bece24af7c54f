"""Where an image does not tell lithium from void, contact and voids are missing, not plausible."""

from pathlib import Path

import numpy as np
import xarray as xr

from operando.core import Flag
from operando.flow.experiment import Experiment
from operando.flow.own_record import as_seen_by
from operando.flow.running import Run
from operando.flow.tomography import formula, where_reliable
from operando.flow.tomography_series import changes

RELIABLE = np.array([[1, 1], [0, 1]])  # electrode, time


def made():
    electrode = {"electrode": ["bottom", "top"], "time": [0.0, 900.0]}
    whole = np.ones((2, 2))
    result = xr.Dataset(
        {name: (("electrode", "time"), whole.copy(), {"units": "1"}) for name in
         ("contact_share", "contact_share_err", "void_volume", "lithium_volume", "noise")}, electrode,
    )  # fmt: skip
    result["reliable"] = (("electrode", "time"), RELIABLE)
    result["lithium_fraction"] = (("electrode", "interval"), np.ones((2, 1)))
    dims = ("time", "electrode", "y", "x")
    maps = xr.Dataset(
        {name: (dims, np.ones((2, 2, 3, 3))) for name in ("contact", "void", "void_err", "face")}, electrode
    )
    maps["flag"] = (dims, np.zeros((2, 2, 3, 3), np.uint16))
    maps["reliable"] = (("time", "electrode"), RELIABLE.T)
    maps["used"] = (("time", "y", "x"), np.ones((2, 3, 3)))
    return result, maps


def test_what_hangs_on_the_contrast_is_missing_and_flagged_and_the_rest_stays():
    result, maps = where_reliable(*made())
    for name in ("contact_share", "contact_share_err", "void_volume", "lithium_volume"):
        assert np.array_equal(np.isfinite(result[name].values), RELIABLE == 1)
    assert np.isfinite(result["noise"]).all()
    assert result["contact_share"].attrs["units"] == "1"
    assert result["lithium_fraction"].isnull().values.ravel().tolist() == [False, True]
    bad = maps.isel(time=0, electrode=1)
    assert bad["contact"].isnull().all()
    assert bad["void_err"].isnull().all()
    assert bad["face"].notnull().all()
    assert (bad["flag"] == int(Flag.POOR_FIT)).all()
    assert (maps["flag"].isel(time=1) == 0).all()
    assert maps["contact"].isel(time=1).notnull().all()


def test_no_change_is_told_of_contact_that_is_not_known():
    found = changes(where_reliable(*made())[1])
    assert found["gained"].sel(electrode="bottom").values.tolist() == [0.0]
    assert found["gained"].sel(electrode="top").isnull().all()
    assert found["lost"].sel(electrode="top").isnull().all()


def test_the_solid_of_another_cell_is_not_taken_from_this_one():
    layers = [{"name": name, "thickness_um": 1.0} for name in ("LCO", "LiPON", "Li")]
    own = [{"name": name, "thickness_um": 1.0} for name in ("Li", "Li7La3Zr2O12", "Li")]
    tomo = {"scans": "a.h5", "energy_keV": 20.0}
    for more, name in (
        ({}, "LiPON"), ({"other_cell": True}, None),
        ({"other_cell": True, "cell": {"area_cm2": 0.1, "layers": own}}, "Li7La3Zr2O12"),
        ({"cycler": {"file": "own.csv"}}, "LiPON"),  # the same cell in another measurement
    ):  # fmt: skip
        told = {"title": "two", "cell": {"area_cm2": 0.007, "layers": layers}, "tomography": tomo | more}
        job = Run(Path(), Experiment.model_validate(told), None)
        seen, _ = as_seen_by(job, {"tomography/record": None}, "tomography", None)
        assert formula(seen) == name
