"""Writers of small tomographic scans in each layout that the readers know. Written apart from the readers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

ROWS, COLUMNS = 3, 20


def images(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(500, 900, (n, ROWS, COLUMNS)).astype(np.uint16),
        rng.integers(990, 1010, (5, ROWS, COLUMNS)).astype(np.uint16),
        rng.integers(9, 12, (4, ROWS, COLUMNS)).astype(np.uint16),
    )


def data_exchange(
    path: Path, angles, *, n: int | None = None, units: str | None = "deg", flats=True, darks=True
):
    data, white, dark = images(len(angles) if n is None else n)
    with h5py.File(path, "w") as file:
        file["/exchange/data"] = data
        file["/exchange/theta"] = angles
        if units is not None:
            file["/exchange/theta"].attrs["units"] = units
        if flats:
            file["/exchange/data_white"] = white
        if darks:
            file["/exchange/data_dark"] = dark
        file["/measurement/instrument/detector/pixel_size"] = 1.7
        file["/measurement/instrument/detector/pixel_size"].attrs["units"] = "um"
        file["/measurement/instrument/monochromator/energy"] = 28.0
        file["/measurement/instrument/monochromator/energy"].attrs["units"] = "keV"
        file["/process/acquisition/start_date"] = "2024-05-01T10:00:00+00:00"
    return data, white, dark


def nxtomo(path: Path, angles, *, entry: str = "entry"):
    """Flats, darks, half of the projections, flats, the other half, flats."""
    data, white, dark = images(len(angles))
    half = len(angles) // 2
    parts = [(white[:2], 1), (dark, 2), (data[:half], 0), (white[2:4], 1), (data[half:], 0), (white[4:], 1)]
    key = np.concatenate([np.full(len(a), k) for a, k in parts])
    turn = np.zeros(len(key))
    turn[key == 0] = angles
    with h5py.File(path, "w") as file:
        group = file.create_group(entry)
        group["instrument/detector/data"] = np.concatenate([a for a, _ in parts])
        group["instrument/detector/image_key"] = key
        group["instrument/detector/x_pixel_size"] = 6.5e-6
        group["instrument/detector/x_pixel_size"].attrs["units"] = "m"
        group["instrument/detector/magnification"] = 10.0
        group["sample/rotation_angle"] = turn
        group["sample/rotation_angle"].attrs["units"] = "degree"
        group["start_time"] = "2024-05-01T10:00:00Z"
    return data, white, dark


def tiffs(folder: Path, angles):
    import fabio.tifimage

    data, white, dark = images(len(angles))
    (folder / "tiffs").mkdir(parents=True)
    for name, stack in (("tiffs/p", data), ("flat", white), ("dark", dark)):
        for i, image in enumerate(stack):
            fabio.tifimage.TifImage(image).write(str(folder / f"{name}_{i:04d}.tif"))
    np.savetxt(folder / "angles.txt", angles, fmt="%.6f")
    return data, white, dark
