"""Writers of small raw files in the layouts that `read` knows, by h5py alone: independent of the twin."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

SHAPE = (41, 67)  # odd on purpose: a bitshuffle block is never full
DEAD = 2**32 - 1
START = "2025-03-04T22:17:03+01:00"
START_S = 1741123023.0


def counts(n: int, seed: int = 1, dtype: str = "uint32") -> np.ndarray:
    """(n, *SHAPE) Poisson counts with a dead column, every frame different."""
    frames = np.random.default_rng(seed).poisson(0.8, (n, *SHAPE)).astype(dtype)
    frames[:, :, 30] = np.iinfo(dtype).max
    frames[:, 0, 0] = np.arange(n) + 100 * seed
    return frames


def compressed(parent: h5py.Group, name: str, frames: np.ndarray, cname: str = "lz4") -> h5py.Dataset:
    """One bitshuffle chunk a frame, the way an Eiger writes."""
    return parent.create_dataset(
        name, data=frames, chunks=(1, *frames.shape[1:]), **hdf5plugin.Bitshuffle(cname=cname)
    )


def eiger(folder: Path, frames: np.ndarray, per_file: int = 4, series: str = "series") -> Path:
    """A DECTRIS master file with external links to data files of `per_file` frames; 0.1 s every 0.11 s."""
    master = folder / f"{series}_master.h5"
    with h5py.File(master, "w") as file:
        data = file.create_group("entry/data")
        detector = file.create_group("entry/instrument/detector")
        detector["count_time"], detector["frame_time"], detector["bit_depth_image"] = 0.1, 0.11, 32
        specific = detector.create_group("detectorSpecific")
        mask = np.zeros(SHAPE, np.uint32)
        mask[:, 30], mask[5, 5] = 1, 8
        specific["pixel_mask"], specific["data_collection_date"] = mask, START
        specific["nimages"], specific["ntrigger"] = len(frames), 1
        for i, first in enumerate(range(0, len(frames), per_file), 1):
            name = f"{series}_data_{i:06d}.h5"
            with h5py.File(folder / name, "w") as part:
                compressed(part, "entry/data/data", frames[first : first + per_file])
            data[f"data_{i:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
    return master


def lima(folder: Path, frames: np.ndarray, per_file: int) -> list[tuple[str, int]]:
    """Lima files `eiger_0000.h5`, ... in `folder`; their names relative to its parent, with their frames."""
    folder.mkdir(parents=True)
    made = []
    for i, first in enumerate(range(0, len(frames), per_file)):
        part = frames[first : first + per_file]
        with h5py.File(folder / f"eiger_{i:04d}.h5", "w") as file:
            compressed(file, "entry_0000/measurement/data", part)
        made.append((f"{folder.name}/eiger_{i:04d}.h5", len(part)))
    return made


def virtual(parent: h5py.Group, name: str, files: list[tuple[str, int]], inside: str, dtype="uint32") -> None:
    """A virtual dataset of whole frames, one mapping a file."""
    layout = h5py.VirtualLayout((sum(n for _, n in files), *SHAPE), dtype)
    first = 0
    for file, n in files:
        layout[first : first + n] = h5py.VirtualSource(file, inside, (n, *SHAPE), dtype)
        first += n
    parent.create_virtual_dataset(name, layout)


def bliss(
    folder: Path, scans: list[np.ndarray], rows: int, columns: int, *, title: str | None = None
) -> Path:
    """A BLISS file with one entry a scan: sx the fast motor (mm, 33 um steps), sz the slow one (um, 1 um steps)."""
    path = folder / "sample.h5"
    with h5py.File(path, "w") as file:
        for i, frames in enumerate(scans, 1):
            n = len(frames)
            entry = file.create_group(f"{i}.1")
            entry["start_time"] = f"2025-03-04T22:{17 + i:02d}:03+01:00"
            entry["title"] = f"amesh sx 0 1 {columns} sz 0 1 {rows} 0.1" if title is None else title
            virtual(
                entry,
                "instrument/eiger/data",
                lima(folder / f"scan{i:04d}", frames, 5),
                "entry_0000/measurement/data",
            )
            entry["instrument/eiger/acq_parameters/acq_expo_time"] = 0.1
            positioners = entry.create_group("instrument/positioners")
            z, x = np.divmod(np.arange(n), columns)
            positioners["sx"], positioners["sz"] = 0.033 * x - 0.5, 1.0 * z + 20
            positioners["sy"], positioners["omega"] = 3.0, 90.0
            for name, unit in (("sx", "mm"), ("sz", "um"), ("sy", "mm"), ("omega", "deg")):
                positioners[name].attrs["units"] = unit
            measurement = entry.create_group("measurement")
            measurement["eiger"] = h5py.SoftLink(f"/{i}.1/instrument/eiger/data")
            measurement["sx"] = h5py.SoftLink(f"/{i}.1/instrument/positioners/sx")
            measurement["sz"] = h5py.SoftLink(f"/{i}.1/instrument/positioners/sz")
            measurement["elapsed_time"] = 0.2 * np.arange(n)
            measurement["ct34"], measurement["det_dtime"] = 1e5 + np.arange(n), np.zeros(n)
    return path
