"""Frames written by real detectors and beamlines."""

import fabio
import numpy as np
import pytest

from operando.core import ScanGrid
from operando.core.errors import ReadError
from operando.read import inspect, open_scans

pytestmark = pytest.mark.realdata


def row(look, what):
    return next((where, detail) for name, where, detail in look.rows if name == what)


def test_pilatus_map_has_nine_frames_in_natural_order_on_its_grid(real_data):
    folder = real_data / "xrd_map_fe3o4"
    (scan,) = open_scans(folder, monitor="Ion chamber2")
    numbers = [1, 2, 3, 6, 7, 8, 11, 12, 13]
    assert [path.name for path, _ in scan.frames.places] == [
        f"Fe3O4C_M1_map_{i}_P1_E1_001.tif" for i in numbers
    ]
    for block in scan.frames.blocks(size=2):
        for index, image in zip(block.index, block.load(), strict=True):
            np.testing.assert_array_equal(image, fabio.open(str(scan.frames.places[index][0])).data)
    assert scan.frames.dead_value is None
    grid = ScanGrid.from_positions(scan.x_um, scan.z_um)
    assert grid.point.tolist() == list(range(9))
    np.testing.assert_allclose(np.diff(grid.x_um), 2.0, atol=1e-6)
    np.testing.assert_allclose(np.diff(grid.z_um), 2.0, atol=1e-6)
    # a row follows at 30 s exposures; the scan is five points wide, of which two were not kept
    assert (np.diff(scan.frames.time_s).round(-1).reshape(-1)[[0, 1, 3, 4, 6, 7]] == 30).all()
    assert ((scan.frames.monitor > 55) & (scan.frames.monitor < 57)).all()


def test_time_stamps_of_areadetector_agree_with_its_date(real_data):
    """The Date attribute is the beamline's local time (Argonne, UTC-6) at the start of the exposure."""
    (scan,) = open_scans(real_data / "xrd_map_fe3o4" / "Fe3O4C_M1_map_2_P1_E1_001.tif")
    start = np.datetime64("2016-11-13T12:27:14").astype("datetime64[s]").astype(int)
    assert abs(scan.frames.time_s[0] - 15.0 - start) < 60


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "dead"),
    [
        ("xrd_ceo2_pilatus1m/CeO2_Pilatus1M.tif", "1 x 1043 x 981", "int32", "negative"),
        ("xrd_caking_ti", "3 x 1441 x 1440", "uint16", "65535"),
        ("tomo_projections/image_test/tiffs", "91 x 135 x 160", "uint16", "65535"),
    ],
)
def test_images_of_other_beamlines(real_data, name, shape, dtype, dead):
    look = inspect(real_data / name)
    assert look.readable
    assert row(look, "frames")[1].startswith(f"{shape} {dtype}, ")
    assert row(look, "dead")[0] == dead
    (scan,) = open_scans(real_data / name)
    assert scan.started_s is not None
    (path, _), image = scan.frames.places[0], next(iter(scan.frames.blocks(0, 1))).load()[0]
    np.testing.assert_array_equal(image, fabio.open(str(path)).data)


def test_spotty_and_smooth_frames_are_two_candidates(real_data):
    path = real_data / "xrd_spotty" / "spotty_and_powder.h5"
    with pytest.raises(ReadError, match=r"(?s)/powder.*/spotty"):
        open_scans(path)
    assert not inspect(path).readable
    (scan,) = open_scans(path, dataset="spotty")
    assert (len(scan.frames), scan.frames.shape) == (1, (2083, 4150))
    assert next(iter(scan.frames.blocks())).load().sum(dtype="i8") == 2098102818


def test_nexus_files_with_one_stack_of_images(real_data):
    for name in ("mm.nxs", "xrd_test.nxs"):
        path = real_data / "xrf_compton_i18" / name
        (scan,) = open_scans(path)
        assert (len(scan.frames), scan.frames.shape) == (8, (100, 1000))
        assert "xrd_entry" in row(inspect(path), "frames")[0]
    (spectra,) = open_scans(real_data / "xrf_compton_i18" / "mm.nxs", dataset="/entry1/stxm_entry/data/data")
    assert spectra.frames.shape == (7, 101)


def test_impedance_files_are_told_from_cycler_files(real_data):
    look = inspect(real_data / "eis" / "exampleData.csv")
    assert look.readable, look.why
    assert "impedance" in look.headline
