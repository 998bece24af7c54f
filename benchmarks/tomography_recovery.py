"""How near the truth a symmetric cell is found from its projections: the table of docs/tomography.md.

    python benchmarks/tomography_recovery.py [--seeds 1 2 3] [--folder FOLDER]

Simulates the twin of `operando simulate --cell symmetric` for each seed, runs it, and compares with its truth on the
columns that were measured. Prints one row a seed, electrode and scan, and the span of each figure.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter

from operando.core.flags import Flag
from operando.flow import run
from operando.twin.symmetric_cell import SymmetricCell, Truth, simulate

VOXEL = 1.7
WINDOW = 17  # voxels that the displacement of a node is the mean of: the default


def compared(folder: Path) -> tuple[list[dict], list[dict], dict, float]:
    """Rows by electrode and scan, by electrode and interval, one of the whole cell, and CPU time of the run (s)."""
    begun = time.process_time()
    results = run(folder / "experiment.toml")[1]
    spent = time.process_time() - begun
    known = Truth.load(folder)
    groups = results.groups
    used = groups["tomography/maps"]["used"].isel(time=0).values > 0
    scans = [
        scan_row(groups, known, name, k, used)
        for name in ("bottom", "top")
        for k in range(groups["tomography"].sizes["time"])
    ]
    intervals = [
        interval_row(groups, known, name, k, used)
        for name in ("bottom", "top")
        for k in range(groups["tomography/current"].sizes["interval"])
    ]
    return scans, intervals, cell_row(groups, known), spent


def cell_row(groups, known: Truth) -> dict:
    """Centre (px off, largest of the scans) and displacement of the solid from the first to the last scan (voxels).

    Nodes whose window lies in the solid are compared with the mean of the true rise over it; `flagged bare`: share of
    the nodes that are flagged among those whose window holds neither solid nor collector (both have texture).
    """
    field, window = groups["tomography/displacement"], WINDOW
    rise = known.displacement["rise"].isel(time=-1) - known.displacement["rise"].isel(time=0)
    solid = np.isfinite(rise.values)
    share = uniform_filter(solid.astype(float), window, mode="constant")
    mean = uniform_filter(np.where(solid, rise.values, 0.0), window, mode="constant") / np.maximum(
        share, 1e-9
    )
    at = np.ix_(*[np.floor(field[axis].values / VOXEL).astype(int) for axis in ("z", "y", "x")])
    share, mean, good = share[at], mean[at], field["flag"].values == 0
    low, high = (known.maps["surface_height"].sel(surface=f"steel_{n}") / VOXEL for n in ("bottom", "top"))
    z = field["z"].values[:, None, None] / VOXEL
    between = (z - window / 2 > float(low.max())) & (z + window / 2 < float(high.min()))
    inside, bare = share > 0.999, (share < 1e-6) & between
    seen = inside & good
    off = {a: (field[f"u_{a}"].values - (mean if a == "z" else 0.0)) / VOXEL for a in ("z", "y", "x")}
    error = field["u_z_err"].values / VOXEL
    centre = groups["tomography"]["centre"].values - float(known.scans["centre"])
    return {
        "centre off": float(abs(centre).max()), "rise": float(mean[inside].mean()) / VOXEL,
        "nodes": int(inside.sum()), "used": int(seen.sum()),
        **{f"u_{a} rms": float(np.sqrt((v[seen] ** 2).mean())) for a, v in off.items()},
        "u_z off": float(off["z"][seen].mean()), "u_z pull": float(np.sqrt(((off["z"] / error)[seen] ** 2).mean())),
        "flagged bare": float((~good)[bare].mean()),
    }  # fmt: skip


def scan_row(groups, known: Truth, name: str, k: int, used: np.ndarray) -> dict:
    """Found against true of one electrode in one scan, on the columns used."""
    here = {"electrode": name}
    true, found = known.maps.isel(time=k).sel(here), groups["tomography/maps"].isel(time=k).sel(here)
    surfaces = known.maps["surface_height"].isel(time=k)
    own = groups["tomography"].isel(time=k)

    def off(values, what) -> np.ndarray:
        return (found[what].values[used] - np.asarray(values)[used]) / VOXEL

    contact = true["contact"].values[used] > 0.5
    seen = found["contact"].values[used]
    good = np.isfinite(seen)
    face = off(surfaces.sel(surface=f"interphase_{name}").values, "face")
    lithium = off(true["lithium_thickness"].values, "lithium")
    outer = surfaces.sel(surface="steel_top").values - surfaces.sel(surface="steel_bottom").values
    true_ra = roughness(surfaces.sel(surface=f"interphase_{name}").values, used)
    return {
        "electrode": name, "scan": k, "contact off": float(own["contact_share"].sel(here)) - contact.mean(),
        "contact error": float(own["contact_share_err"].sel(here)),
        "rightly": (seen[good] == contact[good]).mean(),
        "void": np.nanmean(found["void"].values[used]) / true["void_thickness"].values[used].mean(),
        "void error": float((own["void_volume_err"] / own["void_volume"]).sel(here)),
        "void mean um": true["void_thickness"].values[used].mean(),
        "face": np.nanstd(face), "face off": np.nanmean(face),
        "R_a": float(groups["tomography/roughness"]["R_a"].isel(time=k).sel(interface=name)) / true_ra,
        "lithium rms": np.sqrt(np.nanmean(lithium**2)), "lithium off": np.nanmean(lithium),
        "lithium pull": np.nanstd(lithium * VOXEL / found["lithium_err"].values[used]),
        "stack off": (float(own["stack_thickness"]) - outer[used].mean()) / VOXEL,
    }  # fmt: skip


def roughness(height: np.ndarray, used: np.ndarray) -> float:
    """R_a (um) of a true surface over the columns used, its plane removed."""
    y, x = np.nonzero(used)
    design = np.stack([np.ones(len(x)), x, y], 1)
    rest = height[used] - design @ np.linalg.lstsq(design, height[used], rcond=None)[0]
    return float(abs(rest).mean())


def interval_row(groups, known: Truth, name: str, k: int, used: np.ndarray) -> dict:
    """Current density found against true (as prescribed: what voids took or gave back not counted).

    Columns flagged as outside of the calibration (void near the collector) count in the mean, not in the rest.
    """
    found = groups["tomography/current"].isel(interval=k).sel(electrode=name)
    true = known.maps["current_density_prescribed"].isel(interval=k).sel(electrode=name).values[used]
    j, error = found["current_density"].values[used], found["current_density_err"].values[used]
    off = j - true
    doubt = (found["current_density_flag"].values[used] & int(Flag.OUTSIDE_CALIBRATION)) > 0
    sure, sure_error = off[~doubt], error[~doubt]
    spots = groups["tomography/hot_spots"]
    mine = spots["electrode"].values == ("bottom", "top").index(name)
    own = groups["tomography"]
    fraction, truth = np.nan, np.nan
    if "lithium_fraction" in own:
        fraction = float(own["lithium_fraction"].isel(interval=k).sel(electrode=name))
        error_f = float(own["lithium_fraction_err"].isel(interval=k).sel(electrode=name))
        grows = known.maps["current_density_prescribed"].isel(interval=k).sel(electrode=name)
        charge = np.diff(known.scans["charge"].values)[k]
        seconds = np.diff(known.scans["time"].values)[k]
        sign = 1.0 if name == "top" else -1.0
        truth = -float(np.nanmean(grows.values[used])) * seconds / 3600 / (sign * charge)
    return {
        "electrode": name, "interval": k, "true": true.mean(), "found": np.nanmean(j), "mean off": np.nanmean(off),
        "mean error": float(found["mean_err"]), "rms": np.nanstd(sure), "error": np.nanmedian(error),
        "pull": np.nanstd(sure / sure_error), "pull mean": np.nanmean(sure / sure_error),
        "flagged": doubt.mean(), "hot": int(mine.sum()),
        "fraction": fraction, "fraction off": fraction - truth, "fraction error": error_f,
    }  # fmt: skip


def table(rows: list[dict]) -> list[str]:
    names = list(rows[0])
    print(" ".join(f"{n:>14}" for n in names))
    for row in rows:
        print(
            " ".join(
                f"{row[n]:>14.3f}" if isinstance(row[n], (float, np.floating)) else f"{row[n]!s:>14}"
                for n in names
            )
        )
    return names


def show(rows: list[dict]) -> None:
    names = table(rows)
    for electrode in ("bottom", "top"):
        mine = [r for r in rows if r["electrode"] == electrode]
        spans = {n: (min(r[n] for r in mine), max(r[n] for r in mine)) for n in names[3:]}
        print(electrode, "; ".join(f"{n} {a:.3f} to {b:.3f}" for n, (a, b) in spans.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--folder", type=Path, help="keep the experiments here")
    asked = parser.parse_args()
    scans, intervals, cells = [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        for seed in asked.seeds:
            folder = (asked.folder or Path(temporary)) / f"seed_{seed}"
            if not (folder / "truth.h5").exists():
                simulate(SymmetricCell.demo(seed=seed), folder)
            one = compared(folder)
            scans += [{"seed": seed} | r for r in one[0]]
            intervals += [{"seed": seed} | r for r in one[1]]
            cells.append({"seed": seed} | one[2])
            print(f"seed {seed}: {one[3]:.1f} s of CPU")
    show(scans)
    show(intervals)
    table(cells)


if __name__ == "__main__":
    main()
