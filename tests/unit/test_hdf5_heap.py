"""A zeroed page of a global heap must not hang the reader."""

import h5py
import numpy as np
import pytest

from operando.core.errors import ReadError
from operando.read.hdf5 import attribute, open_hdf5


@pytest.fixture
def master(tmp_path):
    path = tmp_path / "master.h5"
    layout = h5py.VirtualLayout((4, 20, 30), "u4")
    for k in range(4):
        layout[k] = h5py.VirtualSource(f"data_{k}.h5", "data", (20, 30))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
        file.attrs["words"] = np.array(["of any length", ""], h5py.string_dtype())
    return path


def test_a_whole_heap_is_read(master):
    with open_hdf5(master) as file:
        assert file["data"].shape == (4, 20, 30)
        assert list(file.attrs["words"]) == ["of any length", ""]


def test_a_heap_with_a_zeroed_page_is_told(master):
    bytes_ = bytearray(master.read_bytes())
    place = bytes_.index(b"GCOL")
    bytes_[place + 16 : place + 400] = bytes(384)
    master.write_bytes(bytes_)
    with pytest.raises(ReadError, match="damaged: the heap at byte"):
        open_hdf5(master)


def test_an_attribute_of_variable_length_lists_is_none(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["units"] = "keV"
        file.attrs.create("axes", np.array([np.arange(2), np.arange(3)], object), dtype=h5py.vlen_dtype(int))
        assert attribute(file, "units") == "keV"
        assert attribute(file, "axes", "none") == "none"
        assert attribute(file, "absent") is None
