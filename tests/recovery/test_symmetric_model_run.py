"""The symmetric cell model on measured contact maps."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import ExperimentError
from operando.flow.running import Listener
from operando.flow.sections import CellSection, LayerSection
from operando.flow.sections.symmetric_model import SymmetricModelSection
from operando.flow.symmetric_model import symmetric_model

AREA = 0.01


def job(**changes):
    section = SymmetricModelSection(electrolyte_um=800.0, interphase_um=(2.0, 2.0), **changes)
    cell = CellSection(area_cm2=AREA, layers=[LayerSection(name="Li", thickness_um=20.0)])
    return SimpleNamespace(
        experiment=SimpleNamespace(symmetric_model=section, cell=cell), listener=Listener()
    )


def groups(shares, current=1e-5):
    """Round samples of 80 columns across; contact in one disc of the stated share of the inscribed square."""
    y, x = np.indices((80, 80)) - 39.5
    inside = y**2 + x**2 <= 40**2
    half = 28  # the square inscribed in the disc
    square = (np.abs(y) < half) & (np.abs(x) < half)
    maps = np.stack([(y**2 + x**2 <= share * square.sum() / np.pi).astype(float) for share in shares])
    maps[:, ~inside] = np.nan
    time = np.arange(len(shares)) * 600.0
    both = np.stack([maps, maps], 1)
    coords = {
        "time": time,
        "electrode": ["bottom", "top"],
        "y": np.arange(80) * 2.0,
        "x": np.arange(80) * 2.0,
    }
    return {
        "tomography/maps": xr.Dataset({"contact": (("time", "electrode", "y", "x"), both),
                                       "inside": (("y", "x"), inside)}, coords=coords),
        "tomography": xr.Dataset({"cell_current": ("time", np.full(len(shares), current), {"units": "A"}),
                                  "voltage": ("time", np.linspace(0.05, 0.2, len(shares)), {"units": "V"})},
                                 coords={"time": time}),
    }  # fmt: skip


def test_less_contact_polarises_more_and_constriction_more_still():
    with_it, without = groups([0.6, 0.3, 0.1]), groups([0.6, 0.3, 0.1])
    symmetric_model(job(), with_it, None)
    symmetric_model(job(constriction=False), without, None)
    one, other = with_it["model/symmetric"], without["model/symmetric"]
    assert (np.diff(one["voltage"].values) > 0).all()
    assert (one["voltage"].values > other["voltage"].values).all()
    assert float(one["voltage_fixed_contact"][-1]) < float(one["voltage"][-1])
    np.testing.assert_allclose(one["measured"], [0.05, 0.125, 0.2])
    # constriction of one disc, both faces: near 1 / (4 k a) a face for a thick electrolyte without interphase
    assert (one["constriction"].values > 0).all()


def test_contact_is_that_of_the_inscribed_square():
    found = groups([0.25])
    symmetric_model(job(constriction=False), found, None)
    kinetic = float(found["model/symmetric"]["kinetic_top"][0])
    thermal = 8.314462618 * 293.15 / 96485.33212
    assert kinetic == pytest.approx(
        2 * thermal * np.arcsinh(1.0 / (2 * 0.25)), rel=0.06
    )  # a column more or less


def test_what_is_missing_is_said():
    with pytest.raises(ExperimentError, match="contact maps"):
        symmetric_model(job(), {}, None)
    with pytest.raises(ExperimentError, match="no scan was taken under current"):
        symmetric_model(job(), groups([0.5], current=0.0), None)
