"""Histograms, frames and event lists of pixel detectors, and what is wrong with them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from operando.core.errors import ReadError
from operando.read import hexitec_events, hexitec_frames, hexitec_histogram, nexus_spectra


def write(path, counts, energy, *, units="keV", axes=None, name="energy", extra=None):
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group["counts"] = counts
        group[name] = energy
        if units is not None:
            group[name].attrs["units"] = units
        if axes is not None:
            group.attrs["axes"] = axes
        file["entry/exposure"] = 12.5
        for key, value in (extra or {}).items():
            group[key] = value
    return path


@pytest.fixture
def cube(rng):
    return rng.poisson(3, (6, 7, 40)).astype(np.uint16), (np.arange(40) + 0.5) * 2.5


def test_histogram_as_stored(tmp_path, cube):
    counts, energy = cube
    found = hexitec_histogram(write(tmp_path / "a.h5", counts, energy))
    assert found["counts"].dims == ("y", "x", "channel")
    assert found["counts"].dtype == np.uint16
    assert np.array_equal(found["counts"], counts)
    assert np.array_equal(found["energy"], energy)
    assert found.attrs["exposure_s"] == 12.5
    assert np.isnan(found.attrs["monitor"])


def test_energy_first_descending_in_eV_or_as_edges_is_the_same(tmp_path, cube):
    counts, energy = cube
    first = hexitec_histogram(write(tmp_path / "b.h5", np.moveaxis(counts, -1, 0), energy))
    assert np.array_equal(first["counts"], counts)
    turned = hexitec_histogram(write(tmp_path / "c.h5", counts[..., ::-1], energy[::-1] * 1e3, units="eV"))
    assert turned.attrs["turned"]
    assert np.array_equal(turned["counts"], counts)
    assert np.allclose(turned["energy"], energy)
    edges = hexitec_histogram(write(tmp_path / "d.h5", counts, np.arange(41) * 2.5, name="bin_edges"))
    assert np.allclose(edges["energy"], energy)


def test_square_in_energy_needs_axes(tmp_path, rng):
    counts = rng.poisson(3, (20, 20, 20))
    energy = np.arange(20) + 0.5
    with pytest.raises(ReadError, match="are all as long as the energies"):
        hexitec_histogram(write(tmp_path / "e.h5", counts, energy))
    found = hexitec_histogram(write(tmp_path / "f.h5", counts, energy, axes=["energy", ".", "."]))
    assert np.array_equal(found["counts"], np.moveaxis(counts, 0, -1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": None}, "without units"),
        ({"units": "channel"}, "energies in 'channel'"),
        ({"energy": np.sin(np.arange(40.0))}, "neither ascend nor descend"),
        ({"energy": np.arange(40.0) ** 1.5}, "uneven"),
        ({"energy": np.arange(33.0)}, "no axis is as long"),
        ({"name": "voltage"}, "no energy axis"),
    ],
)
def test_wrong_energies_are_told(tmp_path, cube, change, message):
    counts, energy = cube
    with pytest.raises(ReadError, match=message) as caught:
        hexitec_histogram(write(tmp_path / "g.h5", counts, **{"energy": energy, **change}))
    assert caught.value.fix


def test_units_can_be_told_but_do_not_overrule_the_file(tmp_path, cube):
    counts, energy = cube
    silent = hexitec_histogram(write(tmp_path / "h.h5", counts, energy * 1e3, units=None), energy_units="eV")
    assert np.allclose(silent["energy"], energy)
    spoken = hexitec_histogram(write(tmp_path / "i.h5", counts, energy), energy_units="eV")
    assert np.allclose(spoken["energy"], energy)


def test_counts_that_cannot_be(tmp_path, cube):
    counts, energy = cube
    with pytest.raises(ReadError, match="negative counts"):
        hexitec_histogram(write(tmp_path / "j.h5", counts.astype(int) - 1, energy))
    broken = counts.astype(float)
    broken[0, 0, 0] = np.nan
    with pytest.raises(ReadError, match="no numbers"):
        hexitec_histogram(write(tmp_path / "k.h5", broken, energy))
    with pytest.raises(ReadError, match="2 datasets may be the spectra") as caught:
        hexitec_histogram(write(tmp_path / "l.h5", counts, energy, extra={"other": counts}))
    assert "entry/data/other" in caught.value.fix
    with pytest.raises(ReadError, match="no such file"):
        hexitec_histogram(tmp_path / "nothing.h5")
    with pytest.raises(ReadError, match="no dataset 'x'"):
        hexitec_histogram(tmp_path / "l.h5", "x")


def test_channels_without_energies_take_a_first_guess(tmp_path, cube):
    counts, _ = cube
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["spectra"] = counts
    with pytest.raises(ReadError, match="no energy axis") as caught:
        hexitec_histogram(tmp_path / "plain.h5")
    assert "keV_per_channel" in caught.value.fix
    found = hexitec_histogram(tmp_path / "plain.h5", keV_per_channel=0.2)
    assert found["energy"].values[[0, -1]] == pytest.approx([0.1, 7.9])


def test_scan_of_spectra(tmp_path, rng):
    counts = rng.poisson(2, (3, 5, 2, 64)).astype(np.float32)
    path = tmp_path / "scan.nxs"
    with h5py.File(path, "w") as file:
        data = file.create_group("entry/data")
        data["data"], data["energy"] = counts, np.arange(64) * 0.3
        data["data"].attrs["interpretation"] = "spectrum"
        data["monitor"] = np.ones((3, 5, 2))
        file["entry/instrument/monochromator/energy"] = 17000.0
        file["entry/instrument/monochromator/energy"].attrs["units"] = "eV"
    found = nexus_spectra(path, energy_units="keV")
    assert found["counts"].dims == ("point_0", "point_1", "point_2", "channel")
    assert found.attrs["beam_keV"] == pytest.approx(17.0)
    assert np.array_equal(found["counts"], counts)


def test_frames_of_hdf5_and_binary_files_are_the_same(tmp_path, rng):
    frames = rng.integers(0, 900, (25, 8, 8)).astype(np.uint16)
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["frames"] = frames
    frames.tofile(tmp_path / "frames.bin")
    stored = np.concatenate(list(hexitec_frames(tmp_path / "frames.h5", block=10, shape=(8, 8))))
    binary = np.concatenate(list(hexitec_frames(tmp_path / "frames.bin", block=7, shape=(8, 8))))
    assert np.array_equal(stored, frames)
    assert np.array_equal(binary, frames)
    with pytest.raises(ReadError, match="no whole number of frames"):
        list(hexitec_frames(tmp_path / "frames.bin", shape=(9, 8)))
    with h5py.File(tmp_path / "histogram.h5", "w") as file:
        file["counts"] = np.zeros((8, 8, 100), np.uint16)
    with pytest.raises(ReadError, match="histograms"):
        list(hexitec_frames(tmp_path / "histogram.h5", shape=(8, 8)))


def test_event_lists(tmp_path, rng):
    columns = {
        "frame": np.arange(9),
        "row": rng.integers(0, 80, 9),
        "column": rng.integers(0, 80, 9),
        "energy": rng.random(9),
    }
    with h5py.File(tmp_path / "events.h5", "w") as file:
        group = file.create_group("entry/events")
        for name, values in columns.items():
            group[name] = values
        group["energy"].attrs["units"] = "keV"
    found = hexitec_events(tmp_path / "events.h5")
    assert np.array_equal(found["y"], columns["row"])
    assert found["value"].attrs["units"] == "keV"
    table = np.rec.fromarrays(list(columns.values()), names=list(columns))
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["hits"] = table
    assert np.array_equal(hexitec_events(tmp_path / "table.h5")["value"], columns["energy"])
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["a"] = 1
    with pytest.raises(ReadError, match="no event list"):
        hexitec_events(tmp_path / "none.h5")
