"""The command `recon` from a file to a volume, and its words on wrong input."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

pytest.importorskip("finufft", reason="needs the extra tomo")
zarr = pytest.importorskip("zarr", reason="needs the extra tomo")


def command(*words):
    code = "import sys; sys.argv[0] = 'operando'; from operando.__main__ import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "recon", *map(str, words)], capture_output=True, text=True
    )


@pytest.fixture
def scan(tmp_path, rng):
    path = tmp_path / "scan.h5"
    angles = np.linspace(0, 180, 60, endpoint=False)
    s = np.arange(48) - 24.2
    disc = np.sqrt(np.maximum(15.0**2 - (s - 4 * np.cos(np.deg2rad(angles))[:, None]) ** 2, 0)) * 2 * 0.01
    with h5py.File(path, "w") as file:
        file["/exchange/data"] = rng.poisson(20_000 * np.exp(-disc)[:, None].repeat(4, 1)).astype(np.uint16)
        file["/exchange/data_white"] = rng.poisson(20_000, (5, 4, 48)).astype(np.uint16)
        file["/exchange/data_dark"] = np.zeros((2, 4, 48), np.uint16)
        file["/exchange/theta"] = angles
        file["/exchange/theta"].attrs["units"] = "degrees"
    return path


def test_file_to_volume(scan, tmp_path):
    done = command(
        scan, "--pixel", 2, "--centre", 24.2, "--rows", "1:3", "-o", tmp_path / "v.zarr", "--threads", 1
    )
    assert done.returncode == 0, done.stderr
    volume = zarr.open_group(tmp_path / "v.zarr", mode="r")["attenuation"]
    assert volume.shape == (2, 48, 48)
    y, x = np.indices((48, 48)) - 23.5
    inside = np.hypot(x - 4, y) < 12
    assert volume[:][:, inside].mean() == pytest.approx(
        0.01 / 2e-4, rel=0.01
    )  # 0.01 a pixel of 2 um, in 1/cm
    assert (tmp_path / "v.png").exists()
    assert "v.zarr" in done.stdout
    assert "24.20 px (given)" in done.stdout


def test_wrong_input_is_told_in_two_lines_with_exit_code_2(scan, tmp_path):
    for words, told in (
        (["--centre", 24.2], "pixel size"), (["--pixel", 2, "--rows", "7"], "is not understood"),
        (["--pixel", 2, "--flats", tmp_path / "none.tif"], "none.tif"),
        (["--pixel", 2, "--centre", 24.2, "--stripes", "magic"], "magic"),
    ):  # fmt: skip
        done = command(scan, *words, "-o", tmp_path / "w.zarr", "--threads", 1)
        assert done.returncode == 2, (words, done.stdout, done.stderr)
        assert told in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 3
