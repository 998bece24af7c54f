"""Projections from Data Exchange, NXtomo and TIFF folders, and what is said about input that does not do."""

import pickle

import h5py
import numpy as np
import projection_files as make
import pytest

from operando.core.errors import InputError, ReadError
from operando.core.projections import ArrayStack, Projections
from operando.read.projections import open_projections
from operando.read.projections_angles import angles_in_degrees

ANGLES = np.linspace(0, 180, 12, endpoint=False)


def check(scan, written):
    data, white, dark = written
    np.testing.assert_array_equal(scan.images.read(), data)
    np.testing.assert_array_equal(scan.flats.read(), white)
    np.testing.assert_array_equal(scan.darks.read(), dark)
    np.testing.assert_array_equal(scan.images.read([7, 2, 3], slice(1, 3)), data[[7, 2, 3], 1:3])
    np.testing.assert_array_equal(scan.images.read(slice(4, 9), slice(0, 1)), data[4:9, :1])
    np.testing.assert_allclose(scan.angles_deg, ANGLES, atol=1e-6)
    again = pickle.loads(pickle.dumps(scan))
    np.testing.assert_array_equal(again.images.read([5]), data[5:6])
    assert again.digest == scan.digest


def test_data_exchange(tmp_path):
    written = make.data_exchange(tmp_path / "a.h5", ANGLES)
    scan = open_projections(tmp_path / "a.h5")
    check(scan, written)
    assert (scan.pixel_um, scan.energy_keV, scan.started_s) == (1.7, 28.0, 1714557600.0)
    assert scan.notes == ()


def test_nxtomo_knows_when_its_flats_were_taken(tmp_path):
    written = make.nxtomo(tmp_path / "a.nxs", ANGLES)
    scan = open_projections(tmp_path / "a.nxs")
    check(scan, written)
    np.testing.assert_array_equal(scan.flat_after, [0, 0, 6, 6, 12])
    assert scan.pixel_um == pytest.approx(0.65)  # seen from the sample
    assert scan.started_s == 1714557600.0


def test_tiff_folder(tmp_path):
    written = make.tiffs(tmp_path / "scan", ANGLES)
    scan = open_projections(tmp_path / "scan", pixel_um=2.0)
    check(scan, written)
    assert scan.pixel_um == 2.0
    assert any("taken as degrees" in note for note in scan.notes)


def test_digest_follows_the_data(tmp_path):
    make.data_exchange(tmp_path / "a.h5", ANGLES)
    one = open_projections(tmp_path / "a.h5")
    other = open_projections(tmp_path / "a.h5", angles=ANGLES + 0.5)
    assert one.digest != other.digest
    assert one.digest != open_projections(tmp_path / "a.h5", pixel_um=3.0).digest


@pytest.mark.parametrize(("flats", "darks", "word"), [(False, True, "no flats"), (True, False, "no darks")])
def test_missing_flats_and_darks_stop(tmp_path, flats, darks, word):
    make.data_exchange(tmp_path / "a.h5", ANGLES, flats=flats, darks=darks)
    with pytest.raises(InputError, match=word) as told:
        open_projections(tmp_path / "a.h5")
    assert '"none"' in told.value.fix
    kind = word.split()[1]
    scan = open_projections(tmp_path / "a.h5", **{kind: "none"})
    assert getattr(scan, kind) is None
    assert any(word in note for note in scan.notes)


def test_flats_of_another_camera_setting_stop(tmp_path):
    make.data_exchange(tmp_path / "a.h5", ANGLES, flats=False)
    with pytest.raises(InputError, match="pixels"):
        open_projections(tmp_path / "a.h5", flats=np.ones((2, 5, 5)))


def test_radians_are_turned_where_the_file_says_so(tmp_path):
    make.data_exchange(tmp_path / "a.h5", np.deg2rad(ANGLES), units="rad")
    scan = open_projections(tmp_path / "a.h5")
    np.testing.assert_allclose(scan.angles_deg, ANGLES)
    assert any("radians" in note for note in scan.notes)


@pytest.mark.parametrize("units", [None, "deg"])
def test_unsaid_radians_stop(tmp_path, units):
    make.data_exchange(tmp_path / "a.h5", np.deg2rad(ANGLES), units=units)
    with pytest.raises(InputError, match="looks like radians"):
        open_projections(tmp_path / "a.h5")
    np.testing.assert_allclose(open_projections(tmp_path / "a.h5", angle_unit="rad").angles_deg, ANGLES)


def test_unknown_unit_stops(tmp_path):
    make.data_exchange(tmp_path / "a.h5", ANGLES, units="gon")
    with pytest.raises(InputError, match="gon"):
        open_projections(tmp_path / "a.h5")


def test_wrong_counts(tmp_path):
    make.data_exchange(tmp_path / "few.h5", ANGLES, n=15)
    with pytest.raises(InputError, match="12 angles for 15 projections"):
        open_projections(tmp_path / "few.h5")
    make.data_exchange(tmp_path / "cut.h5", ANGLES, n=9)
    with pytest.raises(InputError, match="cut short"):
        open_projections(tmp_path / "cut.h5")
    scan = open_projections(tmp_path / "cut.h5", partial=True)
    np.testing.assert_allclose(scan.angles_deg, ANGLES[:9])
    assert any("cut short: 9 of 12" in note for note in scan.notes)


def test_angles_of_a_stage_at_rest_are_not_projections():
    resting = np.r_[[ANGLES[0]] * 3, ANGLES, [ANGLES[-1]] * 4]
    angles, notes = angles_in_degrees(resting, 12, "deg", None, "x", False)
    np.testing.assert_array_equal(angles, ANGLES)
    assert notes[0].startswith("7 angles at the ends")


def test_one_angle_out_of_order_stops_but_an_interlaced_scan_does_not():
    angles = np.linspace(0, 180, 100, endpoint=False)
    wrong = angles.copy()
    wrong[40] = wrong[12]
    with pytest.raises(InputError, match="out of order"):
        angles_in_degrees(wrong, 100, "deg", None, "x", False)
    woven = np.r_[angles[::4], angles[1::4], angles[2::4], angles[3::4]]
    kept, notes = angles_in_degrees(woven, 100, "deg", None, "x", False)
    np.testing.assert_array_equal(kept, woven)
    assert "not in order" in notes[0]


def test_angles_that_are_no_numbers_stop():
    with pytest.raises(InputError, match="angle 3 is not a number"):
        angles_in_degrees(np.r_[0, 1, 2, np.nan, 4], 5, "deg", None, "x", False)
    with pytest.raises(InputError, match="angle 0 is not a number"):
        Projections("x", ArrayStack(np.ones((2, 2, 2))), np.array([np.inf, 1]))


def test_no_angles_and_no_scan(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data, white, dark = make.images(4)
        file["/exchange/data"], file["/exchange/data_white"], file["/exchange/data_dark"] = data, white, dark
    with pytest.raises(InputError, match="no angles"):
        open_projections(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["something"] = np.ones((4, 4, 4))
    with pytest.raises(ReadError, match="no tomographic scan"):
        open_projections(tmp_path / "b.h5")


def test_image_keys_that_do_not_fit_stop(tmp_path):
    make.nxtomo(tmp_path / "a.nxs", ANGLES)
    with h5py.File(tmp_path / "a.nxs", "a") as file:
        keys = file["entry/instrument/detector/image_key"][:-2]
        del file["entry/instrument/detector/image_key"]
        file["entry/instrument/detector/image_key"] = keys
    with pytest.raises(ReadError, match="image keys for"):
        open_projections(tmp_path / "a.nxs")


@pytest.mark.parametrize("kind", ["float16", ">u2", ">f4"])
def test_numbers_of_unusual_types_come_as_usual_ones(tmp_path, kind):
    path, angles = tmp_path / "a.h5", np.linspace(0, 180, 9)
    data, *_ = make.data_exchange(path, angles)
    with h5py.File(path, "r+") as file:
        del file["exchange/data"]
        file["exchange/data"] = data.astype(kind)
    images = open_projections(path).images
    read = images.read()
    assert read.dtype == images.dtype
    assert read.dtype.isnative
    assert read.dtype.itemsize >= 2
    np.testing.assert_array_equal(read, data)  # up to 900 counts: exact in half precision too


def test_times_of_projections_are_read(tmp_path):
    make.data_exchange(tmp_path / "a.h5", ANGLES)
    make.data_exchange(tmp_path / "b.h5", ANGLES)
    make.nxtomo(tmp_path / "c.nxs", ANGLES)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["/exchange/time"] = 20.0 + 2.0 * np.arange(len(ANGLES))
        file["/exchange/time"].attrs["units"] = "s"
    with h5py.File(tmp_path / "b.h5", "a") as file:  # nothing but the end: evenly between
        file["/process/acquisition/end_date"] = "2024-05-01T10:01:00+00:00"
    with h5py.File(tmp_path / "c.nxs", "a") as file:  # of all frames, flats and darks among them; since 1970
        key = file["/entry/instrument/detector/image_key"][()]
        file["/entry/instrument/detector/time"] = 1714557600.0 + 3.0 * np.arange(len(key))
    a, b, c = (open_projections(tmp_path / n).time_s for n in ("a.h5", "b.h5", "c.nxs"))
    np.testing.assert_allclose(a - 1714557600.0, 20.0 + 2.0 * np.arange(len(ANGLES)))
    np.testing.assert_allclose(np.mean(b) - 1714557600.0, 30.0)
    np.testing.assert_allclose(c - 1714557600.0, 3.0 * np.flatnonzero(key == 0))


def test_times_that_cannot_be_are_not_believed(tmp_path):
    make.data_exchange(tmp_path / "a.h5", ANGLES)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["/exchange/time"] = np.zeros(len(ANGLES))
        file["/process/acquisition/end_date"] = "2023-05-01T10:01:00+00:00"
    scan = open_projections(tmp_path / "a.h5")
    assert scan.time_s is None
    assert scan.started_s == 1714557600.0
