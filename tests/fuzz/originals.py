"""Small whole inputs of every kind, and the commands that read them. Files of instruments where they are at hand."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "unit"), str(TESTS / "recovery")]
REAL = TESTS.parents[1] / "shared" / "data"

from originals_volumes import long_volumes, quick_volumes  # noqa: E402
from spoil_bytes import spoil_bytes, spoil_lines  # noqa: E402
from spoil_hdf5 import spoil_hdf5  # noqa: E402
from spoil_json import spoil_json  # noqa: E402
from spoil_toml import spoil_toml  # noqa: E402

OUTPUT = "out"
RUN = ("run", "experiment.toml", "-o", OUTPUT, "--no-report")
LOOK = ("inspect", "{file}")


@dataclass(frozen=True)
class Original:
    """A folder that is whole, which of its files to spoil, and what is asked of the spoiled one."""

    name: str
    folder: Path
    files: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    share: int = 1
    alone: bool = False

    def way(self, file: str) -> Callable:
        kinds = {
            ".toml": spoil_toml,
            ".json": spoil_json,
            ".h5": spoil_hdf5,
            ".nxs": spoil_hdf5,
            ".h5oina": spoil_hdf5,
        }
        binary = (
            "/c/0/0/0",
            ".npz",
            ".mpr",
            ".nda",
            ".ndax",
            ".tif",
            ".tiff",
            ".npy",
            ".cbf",
            ".edf",
            ".crc",
        )
        return kinds.get(Path(file).suffix, spoil_bytes if file.endswith(binary) else spoil_lines)


def _some(folder: Path, *patterns: str) -> tuple[str, ...]:
    return tuple(sorted(str(p.relative_to(folder)) for pattern in patterns for p in folder.glob(pattern)))


def film(place: Path, layout: str, maps: int = 1) -> Path:
    """Maps of 3 x 2 points in one of the layouts; one ring, coarse patterns: a run takes half a second."""
    from operando.twin.film import FilmCell, simulate

    folder = place / f"film-{layout}-{maps}"
    simulate(FilmCell.tiny(rows=3, columns=2, maps=maps, step_z_um=8.0), folder, layout=layout)
    text = (folder / "experiment.toml").read_text()
    lines = [line for line in text.splitlines() if '"LCO003"' in line or "hkl" not in line]
    text = "\n".join(lines).replace("[xrd]\n", "[xrd]\nazimuth_bins = 72\npattern_bins = 120\n")
    (folder / "experiment.toml").write_text(text)
    (folder / "truth.h5").unlink()
    return folder


def pictures(place: Path) -> Path:
    """The frames of one map as TIFF, CBF and EDF."""
    import fabio
    import h5py
    import tifffile

    from operando.twin.film import FilmCell, simulate

    folder = place / "pictures"
    simulate(FilmCell.tiny(rows=3, columns=2, maps=1, step_z_um=8.0), folder, layout="single")
    (raw,) = (folder / "raw").glob("*.h5")
    found = []
    with h5py.File(raw) as file:
        import hdf5plugin  # noqa: F401

        file.visititems(lambda _, item: found.append(item[()]) if getattr(item, "ndim", 0) == 3 else None)
    frames = found[0].astype(np.int32)
    shutil.rmtree(folder / "raw")
    for kind in ("tiff", "cbf", "edf"):
        (folder / kind).mkdir()
        for i, frame in enumerate(frames):
            target = folder / kind / f"map_{i:04d}.{kind}"
            if kind == "tiff":
                tifffile.imwrite(target, frame)
            else:
                {"cbf": fabio.cbfimage.CbfImage, "edf": fabio.edfimage.EdfImage}[kind](data=frame).write(
                    str(target)
                )
    text = (folder / "experiment.toml").read_text()
    start = text.index("[xrd]")
    kept = text[:start].replace("clock_offset_s = 0.0", 'clock_offset_s = "none"')
    ring = '{ name = "LCO003", phase = "LiCoO2", hkl = [0, 0, 3] }'
    (folder / "experiment.toml").write_text(f"""{kept}[xrd]
scans = "tiff/*.tiff"
geometry = "calib/detector.poni"
mask = "calib/mask.npy"
monitor = "none"
azimuth_bins = 36
pattern_bins = 60
grid = {{ rows = 3, columns = 2, step_z_um = 8.0, step_x_um = 33.0 }}
rings = [{ring}]
""")
    return folder


def cyclers(place: Path) -> Path:
    from test_cycler_biologic import mpr, mpt, records
    from test_impedance_read import F, Z

    folder = place / "cyclers"
    folder.mkdir()
    for new in (False, True):
        (folder / f"made_{int(new)}.mpr").write_bytes(mpr(records(), new=new))
    (folder / "made.mpt").write_bytes(mpt(rows=60))
    rows = [f"{f:.12g},{z.real:.12g},{-z.imag:.12g}" for f, z in zip(F, Z, strict=True)]
    (folder / "made_eis.csv").write_text("freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm\n" + "\n".join(rows))
    head = "Test Time / s,Voltage / V,Current / A,Cycle Count / 1,Step Count / 1"
    t = np.arange(200) * 10.0
    table = [f"{a:.1f},{3.6 + 4e-4 * a / 10:.5f},{(a > 500) * 1e-3:.6f},1,{1 + (a > 500)}" for a in t]
    (folder / "made.bdf.csv").write_text("\n".join([head, *table]))
    for name in ("cycler/biologic_pairs/cp.mpr", "cycler/biologic_pairs/ocv.mpr", "cycler/biologic_pairs/ocv.mpt",
                 "cycler/biologic_pairs/peis.mpr", "cycler/biologic_pairs/peis.mpt", "cycler/navani/test.nda",
                 "cycler/navani/test.ndax", "cycler/navani/00_test_01_OCV_C01.mpr", "cycler/biologic_pairs/cp.mpt",
                 *(f"eis/{p.name}" for p in sorted((REAL / "eis").glob("exampleData*")))):  # fmt: skip
        if (REAL / name).exists():
            (folder / Path(name).name).write_bytes((REAL / name).read_bytes())
    return folder


def science(place: Path) -> Path:
    """Orientation maps, projections and histograms, as small as their layouts allow."""
    import h5py
    from projection_files import data_exchange, nxtomo
    from test_ebsd_readers import ang, ctf, h5oina

    folder = place / "science"
    folder.mkdir()
    ang(folder / "map.ang")
    ctf(folder / "map.ctf")
    h5oina(folder / "map.h5oina")
    angles = np.linspace(0, 180, 25)
    data_exchange(folder / "dxchange.h5", angles)
    nxtomo(folder / "nxtomo.nxs", angles)
    rng = np.random.default_rng(1)
    with h5py.File(folder / "histogram.h5", "w") as file:
        group = file.create_group("entry/data")
        counts = rng.poisson(3, (6, 7, 40)).astype(np.uint16)
        group.create_dataset("counts", data=counts, chunks=(3, 7, 40), compression="gzip")
        group["energy"] = (np.arange(40) + 0.5) * 2.5
        group["energy"].attrs["units"] = "keV"
        file["entry/exposure"] = 12.5
    (folder / "experiment.toml").write_text("""
title = "Two maps"
[ebsd]
maps = [{ name = "25 C", file = "map.ang" }, { name = "80 C", file = "map.ctf" }]
threshold_deg = 5.0
min_points = 1
""")
    return folder


def results(place: Path, experiment: Path | None) -> Path:
    """A finished run; where no experiment is given, results made from formulas."""
    folder = place / "results"
    if experiment is not None:
        from operando.flow import run

        shutil.copytree(experiment, folder)
        run(folder / "experiment.toml", folder / "run")
        shutil.rmtree(folder / "run" / "stages")
        return folder
    from dashboard_run import build

    from operando.flow.store import write_results

    (folder / "run").mkdir(parents=True)
    write_results(build(maps=3, rows=6, columns=4), folder / "run" / "results.nxs")
    return folder


def compton(place: Path) -> Path | None:
    try:
        import xraylib  # noqa: F401
    except ImportError:
        return None
    from operando.twin.coin_cell import CoinCell, State, simulate_coin_cell

    folder = place / "compton"
    half = State("half", 0.6, 5.0, False, 0.3, 0.001)
    states = (State("full", 1.01, 0.0, True), half, State("empty", 0.26, 10.0, True))
    simulate_coin_cell(CoinCell.tiny(states=states, channels=256, keV_per_channel=0.56), folder)
    (folder / "truth.h5").unlink(missing_ok=True)
    return folder


def models(place: Path) -> Path:
    """The two models and the film, as an experiment that has no measurement of the lithium content."""
    folder = place / "models"
    shutil.copytree(place / "film-bliss-2", folder)
    text = (folder / "experiment.toml").read_text()
    (folder / "experiment.toml").write_text(
        text
        + """
[lithium]
ring = "LCO003"
calibration = "LiCoO2 film"

[film_model]
family = "perp"
start_s = 0.0
steps = [{ hold = 4.3, hours = 0.2 }, { rest = 0.1 }]
"""
    )
    return folder


def originals(place: Path, quick: bool = False) -> list[Original]:
    """All of them, made under `place`; `quick`: those that are made and read in a moment."""
    short, seen, record, maps = film(place, "bliss"), pictures(place), cyclers(place), science(place)
    record_asked = (LOOK, LOOK, ("echem", "{file}", "--json"), ("echem", "{file}", "--zone", "UTC"))
    recon = ("recon", "{file}", "-o", f"{OUTPUT}/v.zarr", "--centre", "9.5", "--pixel", "1.7", "--overwrite")
    found = [
        Original(
            "toml of a film",
            short,
            ("experiment.toml",),
            (("check", "experiment.toml") if quick else RUN,),
            12,
        ),
        Original("toml of orientation maps", maps, ("experiment.toml",), (RUN,), 4),
        Original("geometry and masks", seen, ("calib/detector.poni", "calib/mask.npy"), (LOOK,), 4),
        Original("pictures", seen, _some(seen, "*/*0000.*"), (LOOK,), 8),
        Original("raw files", short, _some(short, "raw/**/*.h5"), (LOOK,), 8),
        Original("cycler files", record, _some(record, "*"), record_asked, 24, True),
        Original("science files", maps, _some(maps, "map.*", "*.h5", "*.nxs"), (LOOK,), 12, True),
        Original("projections", maps, ("dxchange.h5", "nxtomo.nxs"), (recon,), 5, True),
    ]
    found += [Original(**one) for one in quick_volumes(place, LOOK, RUN, quick)]
    if quick:
        kept = Original("results", results(place, None), ("run/results.nxs",), results_asked()[:5], 8)
        return [*found, kept]
    found += [Original(**one) for one in long_volumes(place, LOOK, RUN)]
    return [*found, *_long(place, short, seen, maps)]


def _long(place: Path, short: Path, seen: Path, maps: Path) -> list[Original]:
    """Those of which a case may be a whole run."""
    bliss, eiger, model, coin = film(place, "bliss", 2), film(place, "eiger"), models(place), compton(place)
    kept = results(place, bliss)
    found = [
        Original("toml of pictures", seen, ("experiment.toml",), (RUN,), 4),
        Original("toml of a model", model, ("experiment.toml",), (RUN,), 3),
        Original("raw files, bliss", bliss, _some(bliss, "raw/**/*.h5"), (RUN, LOOK), 4),
        Original("raw files, eiger", eiger, _some(eiger, "raw/**/*.h5"), (RUN, LOOK, LOOK, LOOK), 8),
        Original("geometry and masks in a run", seen, ("calib/detector.poni", "calib/mask.npy"), (RUN,), 2),
        Original("pictures in a run", seen, _some(seen, "tiff/*0.tiff", "tiff/*3.tiff"), (RUN,), 2),
        Original("cycler files in a run", short, ("echem/cell.csv",), (RUN,), 3),
        Original("orientation maps in a run", maps, ("map.ang", "map.ctf"), (RUN,), 2),
        Original("results", kept, ("run/results.nxs",), results_asked(), 8),
    ]
    if coin is not None:
        found += [
            Original("toml of Compton imaging", coin, ("experiment.toml",), (RUN,), 3),
            Original("histograms", coin, _some(coin, "raw/*.h5", "tomogram.h5"), (LOOK, LOOK, LOOK, RUN), 4),
        ]
    return found


def results_asked() -> tuple[tuple[str, ...], ...]:
    """Everything that reads results; drawing and running again take seconds and are rare."""
    group = ("export", "run", "-g")
    quick = (
        LOOK, ("export", "run"), ("show", "run"), ("show", "run"), (*group, "xrd/LCO003", "-o", f"{OUTPUT}/a.csv"),
        (*group, "xrd/pattern", "-o", f"{OUTPUT}/a.nc"), (*group, "echem", "-o", f"{OUTPUT}/a.npz"),
    )  # fmt: skip
    return (*quick, *quick, ("export", "run", "--figures", OUTPUT), ("reproduce", "run", "-o", OUTPUT))
