"""Rigid registration of the volumes of a series on what is said to be held fixed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from .volume import AXES, check_series, check_volume, quantity, same_voxel

#: degrees of freedom in their order: shifts (um) and rotations about z, y, x through the middle of the held region
FREEDOMS = ("z", "y", "x", "about_z", "about_y", "about_x")
MOST_VOXELS = 300_000


def held_slab(volume: xr.DataArray, z_um: tuple[float, float]) -> xr.DataArray:
    """Bool mask (z, y, x) of a slab of heights (um above the lower side): for `held` of `register_rigid`."""
    check_volume(volume, allow_nan=True)
    voxel = same_voxel(volume)
    middle = (np.arange(volume.sizes["z"]) + 0.5) * voxel
    rows = (middle >= z_um[0]) & (middle <= z_um[1])
    shape = tuple(volume.sizes[a] for a in AXES)
    return xr.DataArray(np.broadcast_to(rows[:, None, None], shape), dims=AXES)


def register_rigid(
    reference: xr.DataArray, moved: xr.DataArray, held: xr.DataArray, *, name: str,
    free: tuple[str, ...] = ("z", "y", "x"), start_um: tuple[float, float, float] | None = None,
    most_error_um: float | None = None,
) -> xr.Dataset:  # fmt: skip
    """The rigid motion of what is held fixed: where its material of `reference` is found in `moved`.

    Only voxels of `held` are looked at, so motion elsewhere stays in the data; the result says by `name` what
    was held.

    held           (z, y, x) bool in the reference: the steel of the collector with its rough face, or the far
    electrolyte
    name           what that is, for the record ("lower collector")
    free           which of z, y, x, about_z, about_y, about_x are found; the others stay at zero
    start_um       first guess of the shift z, y, x; else the peak of the correlation of the held region
    most_error_um  freedoms that the region cannot fix better are set to zero and flagged; one voxel where not given

    Over `freedom`: `motion` (um, degrees for rotations) with `motion_err`, `flag` (TOO_FEW_COUNTS: not fixed
    by the held region, set to zero; NOT_CONVERGED); attrs `held`, `rest` (rms of the difference after it).
    Gauss-Newton on the squared difference, cubic splines. Raises InputError for volumes of different sizes and
    an empty held region.
    """
    reference, moved = (check_volume(v.squeeze(), where="register_rigid") for v in (reference, moved))
    check_series(reference, moved, where="register_rigid")
    voxel = same_voxel(reference)
    unknown = set(free) - set(FREEDOMS)
    if unknown or not free:
        raise InputError(
            f"no freedom {sorted(unknown)}", where="register_rigid", fix=f"There are: {', '.join(FREEDOMS)}."
        )
    mask = held.transpose(*AXES).values.astype(bool)
    if mask.shape != reference.shape or not mask.any():
        raise InputError(
            "the held region is empty or of another size", where="register_rigid", fix="See `held_slab`."
        )
    first, second = (np.asarray(v.values, np.float32) for v in (reference, moved))
    start = np.zeros(3) if start_um is None else np.asarray(start_um, float) / voxel
    if start_um is None:
        start = _whole_voxels(first, second, mask)
    limit = 1.0 if most_error_um is None else most_error_um / voxel
    found, error, state, rest = _gauss_newton(first, second, mask, free, start, limit)
    unit = np.array([voxel] * 3 + [np.degrees(1)] * 3)
    result = xr.Dataset(
        {
            "motion": quantity(found * unit, "freedom", "um; deg for rotations", "motion of what is held fixed"),
            "motion_err": quantity(error * unit, "freedom", "um; deg for rotations"),
        },
        coords={"freedom": list(FREEDOMS)},
        attrs={"held": name, "free": list(free), "rest": rest, "voxel_um": voxel,
               "middle_um": [float(v) for v in (_middle(mask) + 0.5) * voxel]},
    )  # fmt: skip
    result["flag"] = flag_variable(state, ("freedom",))
    return result


def _middle(mask: np.ndarray) -> np.ndarray:
    return np.array(
        [np.average(np.arange(n), weights=mask.sum(tuple({0, 1, 2} - {a}))) for a, n in enumerate(mask.shape)]
    )


def _whole_voxels(first, second, mask) -> np.ndarray:
    """Shift (voxels) at the peak of the correlation of the held region; axes along which it is alike give zero."""
    from scipy import fft

    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
    f = np.where(mask[box], first[box] - first[mask].mean(), 0)
    g = second[box] - second[box].mean()
    power = fft.rfftn(g) * np.conj(fft.rfftn(f))
    score = fft.irfftn(power, f.shape)
    peak = np.array(np.unravel_index(int(np.argmax(score)), score.shape))
    shift = np.where(peak > np.array(f.shape) / 2, peak - f.shape, peak).astype(float)
    return np.where(np.abs(shift) > np.array(f.shape) / 4, 0.0, shift)


def _gauss_newton(first, second, mask, free, start, limit):
    from scipy.ndimage import map_coordinates, spline_filter

    at, value, slope = _voxels(first, mask)
    arm = at - _middle(mask)
    columns = [*slope.T, *_turns(arm, slope)]
    lever = np.append([1.0] * 3, (arm**2).sum() / len(arm) - (arm**2).mean(0))
    use = [FREEDOMS.index(f) for f in FREEDOMS if f in free]
    design = np.stack([columns[k] for k in use], 1)
    coefficients = spline_filter(second, 3, output=np.float32, mode="mirror")
    motion = np.concatenate([start, np.zeros(3)]) * np.isin(np.arange(6), use)
    converged = False
    cover, fixed = np.eye(len(use)), np.ones(len(use), bool)
    rest = np.zeros(1)
    for _ in range(40):
        where = at + motion[:3] + np.cross(motion[3:], arm)
        seen = map_coordinates(coefficients, where.T, order=3, prefilter=False, mode="nearest")
        inside = ((where > 0) & (where < np.array(first.shape) - 1)).all(1)
        rest = np.where(inside, value - seen, 0.0)
        cover, fixed = _solvable(design[inside], lever[use], float((rest[inside] ** 2).mean()), limit)
        part = design[inside][:, fixed]
        step = np.zeros(len(use))
        if fixed.any():
            step[fixed] = np.linalg.lstsq(part, rest[inside], rcond=None)[0]
        motion[use] += step
        motion[[k for k, ok in zip(use, fixed, strict=True) if not ok]] = 0.0
        if np.abs(step).max() < 1e-4:
            converged = True
            break
    error, state = np.zeros(6), np.zeros(6, int)
    for k, index in enumerate(use):
        error[index] = np.sqrt(cover[k, k]) if fixed[k] else np.nan
        state[index] = 0 if fixed[k] else int(Flag.TOO_FEW_COUNTS)
    return (
        motion,
        error,
        state | (0 if converged else int(Flag.NOT_CONVERGED)),
        float(np.sqrt((rest**2).mean())),
    )


def _voxels(first, mask) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (n, 3), values and gradients of held voxels with the strongest gradients, away from the border."""
    inner = np.zeros_like(mask)
    inner[2:-2, 2:-2, 2:-2] = mask[2:-2, 2:-2, 2:-2]
    at = np.argwhere(inner)
    slope = np.stack(
        [0.5 * (first[tuple((at + d).T)] - first[tuple((at - d).T)]) for d in np.eye(3, dtype=int)], 1
    )
    if len(at) > MOST_VOXELS:
        strength = (slope**2).sum(1)
        keep = strength >= np.partition(strength, -MOST_VOXELS)[-MOST_VOXELS]
        at, slope = at[keep], slope[keep]
    return at.astype(float), first[tuple(at.T)].astype(float), slope.astype(float)


def _turns(arm: np.ndarray, slope: np.ndarray) -> list[np.ndarray]:
    """Change of the grey value by a small rotation about z, y, x: gradient . (axis x arm)."""
    return [(slope * np.cross(axis, arm)).sum(1) for axis in np.eye(3)]


def _solvable(design, lever, variance, limit) -> tuple[np.ndarray, np.ndarray]:
    """Covariance, and which freedoms have an error within the limit (voxels; radians for rotations).

    lever: mean square by which noise of the gradients enters each freedom; half the noise of an image passes central
    differences, and half the variance of the difference is the reference's. It is taken out of the normal matrix.
    """
    size = design.shape[1]
    normal = design.T @ design
    noise = 0.25 * variance * len(design) * lever
    strong = np.diag(normal) - noise > 0.15 * noise + 1e-12 * max(normal.max(), 1e-300)
    normal = normal - np.diag(noise)
    cover = np.full((size, size), np.nan)
    cover[np.ix_(strong, strong)] = np.linalg.pinv(normal[np.ix_(strong, strong)]) * max(variance, 1e-30)
    error = np.sqrt(np.diag(np.nan_to_num(cover, nan=np.inf)))
    return cover, strong & (error <= limit)


def apply_motion(moved: xr.DataArray, motion: xr.Dataset) -> xr.DataArray:
    """`moved` brought back onto the reference: value at p is that of `moved` at p + motion(p); NaN beyond its border.

    Cubic interpolation, slice by slice of z; interpolation smooths noise a little, most at half voxels.
    """
    from scipy.ndimage import map_coordinates, spline_filter

    moved = check_volume(moved.squeeze(), where="apply_motion")
    voxel = same_voxel(moved)
    value = motion["motion"].values
    shift, turn = value[:3] / voxel, np.radians(value[3:])
    middle = np.array(motion.attrs["middle_um"]) / voxel - 0.5
    coefficients = spline_filter(np.asarray(moved.values, np.float32), 3, output=np.float32, mode="mirror")
    out = np.empty(moved.shape, np.float32)
    yy, xx = np.meshgrid(*(np.arange(n, dtype=float) for n in moved.shape[1:]), indexing="ij")
    top = np.array(moved.shape)[:, None] - 1
    for z in range(moved.shape[0]):
        at = np.stack([np.full(yy.size, float(z)), yy.ravel(), xx.ravel()], 1)
        where = (at + shift + np.cross(turn, at - middle)).T
        plane = map_coordinates(coefficients, where, order=3, prefilter=False, mode="nearest")
        plane[((where < -0.5) | (where > top + 0.5)).any(0)] = np.nan
        out[z] = plane.reshape(yy.shape)
    attrs = {**moved.attrs, "held_fixed": motion.attrs["held"]}
    return xr.DataArray(out, dims=AXES, coords=moved.coords, attrs=attrs)


def stack_thickness(
    lower: xr.DataArray, upper: xr.DataArray, *, inside: xr.DataArray | None = None
) -> xr.Dataset:
    """Distance between the collectors from their height maps (..., y, x; um): `thickness`, `thickness_err`, `tilt`.

    Over time where the maps have it. The error is the scatter of columns over their square root, not counting form;
    `tilt` is the difference between the ends of the least-squares plane along x (um).
    """
    if any(lower.sizes[a] != upper.sizes[a] for a in ("y", "x")):
        raise InputError("height maps of different sizes", where="stack_thickness")
    gap = upper - lower
    gap = gap if inside is None else gap.where(inside.astype(bool))
    count = gap.notnull().sum(("y", "x"))
    x = xr.DataArray(np.linspace(-0.5, 0.5, gap.sizes["x"]), dims="x")
    slope = (gap * x).mean(("y", "x")) / float((x**2).mean())
    error = gap.std(("y", "x")) / np.sqrt(np.maximum(count, 1))
    return xr.Dataset(
        {
            "thickness": gap.mean(("y", "x")).assign_attrs(
                units="um", long_name="stack between the collectors"
            ),
            "thickness_err": error.assign_attrs(units="um"),
            "tilt": slope.assign_attrs(units="um", long_name="from one end of x to the other"),
        }
    )
