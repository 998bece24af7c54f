"""What happened in the film, one sentence a quantity with its number and error: front, layer, x, grains, epitaxy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy import stats

from .summary import Mean, mean
from .text import number, plural, with_error

Groups = dict[str, xr.Dataset]


def film_findings(groups: Groups) -> list[str]:
    """A sentence for each quantity that the groups hold and that is valid somewhere."""
    return [*_fronts(groups), *_layers(groups), *_lithium(groups), *_grains(groups), *_epitaxy(groups)]


def front_speed(data: xr.Dataset, family: str) -> tuple[Mean, float]:
    """Speed of the front over all columns, nm/s, and the chance of what the columns say if each were constant.

    The chances of the columns are joined by Fisher's method, -2 sum ln p is chi-square of 2 n degrees of freedom.
    """
    one = data.sel(family=family)
    p = one["p_constant"].values
    p = p[np.isfinite(p) & (p >= 0)]
    joined = float(stats.combine_pvalues(np.clip(p, 1e-300, 1)).pvalue) if len(p) else np.nan
    return mean(one["speed"].values, one["speed_err"].values), joined


def _fronts(groups: Groups) -> Iterator[str]:
    for name, data in groups.items():
        if not (name.startswith("xrd/") and name.endswith("/front") and "speed" in data):
            continue
        for family in map(str, data["family"].values):
            speed, p = front_speed(data, family)
            if not speed.valid:
                continue
            way = "towards the substrate" if speed.value < 0 else "towards the surface"
            verdict = "is not rejected" if p >= 0.05 else "is rejected"
            tested = f"; a constant speed {verdict} (p = {number(p, 2)})" if np.isfinite(p) else ""
            size = with_error(abs(speed.value), speed.error, "nm/s")
            yield f"The front of {name.split('/')[1]} {family} moves {way} at {size} " + (
                f"({plural(speed.points, 'column')}){tested}."
            )


def _layers(groups: Groups) -> Iterator[str]:
    for name, data in groups.items():
        if not (name.startswith("xrd/") and name.endswith("/layer") and "displacement" in data):
            continue
        moved = _last(data, "displacement", "displacement_flag")
        if moved is None:
            continue
        i, last = moved
        size = with_error(last.value, last.error, "um")
        text = f"The layer of {name.split('/')[1]} moved by {size} up to map {i + 1}"
        plated = groups.get("plating", xr.Dataset()).get("thickness")
        if (
            plated is not None
            and plated.sizes == {"time": data.sizes["time"]}
            and np.isfinite(plated.values[i])
        ):
            text += f"; the charge alone plates {number(float(plated.values[i]), 3)} µm of dense lithium"
        yield text + "."


def _lithium(groups: Groups) -> Iterator[str]:
    data = groups.get("lithium/rows")
    if data is None:
        return
    for family in map(str, data["family"].values):
        x, error = (data[name].sel(family=family).values for name in ("x_film", "x_film_err"))
        valid = np.flatnonzero(np.isfinite(x))
        if len(valid) > 1:
            first, last = (
                f"{with_error(float(x[i]), float(error[i]))} in map {i + 1}" for i in (valid[0], valid[-1])
            )
            yield f"x by the lattice ({family}) goes from {first} to {last} (error of the calibration left out)."


def _grains(groups: Groups) -> Iterator[str]:
    counts = groups.get("grains/counts")
    if counts is None or not np.isfinite(counts["total"].values).any():
        return
    total = counts["total"].values
    i, last = int(np.nanargmax(total)), int(np.flatnonzero(np.isfinite(total))[-1])
    errors = counts["total_err"].values
    yield (
        f"At most {with_error(float(total[i]), float(errors[i]))} grains are in diffraction condition (map {i + 1}), "
        f"{with_error(float(total[last]), float(errors[last]))} in map {last + 1}."
    )


def _epitaxy(groups: Groups) -> Iterator[str]:
    tests = groups.get("epitaxy/tests")
    if tests is None or not np.isfinite(tests["so_far_p"].values).any():
        return
    i = int(np.flatnonzero(np.isfinite(tests["so_far_p"].values))[-1])
    p, many, least = (
        float(tests["so_far_p"][i]),
        int(tests["so_far_number"][i]),
        float(tests.attrs["smallest_p"]),
    )
    chance = f"p under {number(least, 1)}" if p <= least else f"p = {number(p, 2)}"
    verdict = "prefer" if p < 0.05 else "do not prefer"
    yield (
        f"{plural(many, 'grain')} of {tests.attrs['deposit']} {verdict} the azimuths that {tests.attrs['substrate']} "
        f"would give ({chance})."
    )


def _means(data: xr.Dataset, name: str, flag: str, error: str) -> list[Mean]:
    value = data[name].where(data[flag] == 0).transpose("time", ...).values
    sigma = data[error].transpose("time", ...).values
    return [mean(v, e) for v, e in zip(value, sigma, strict=True)]


def _last(data: xr.Dataset, name: str, flag: str) -> tuple[int, Mean] | None:
    """The last map with a valid mean, and that mean."""
    means = _means(data, name, flag, f"{name}_err")
    valid = [i for i, m in enumerate(means) if m.valid]
    return (valid[-1], means[valid[-1]]) if valid else None
