"""Displacement of textured material between two volumes by local image correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from .volume import AXES, check_series, check_volume, coordinates, quantity, voxel_sizes

#: share of the noise of the gradients that texture must reach to count: below, it cannot be told from noise
LEAST_TEXTURE = 0.15


@dataclass(frozen=True)
class Correlation:
    """How windows are compared.

    window           voxels along each side of the cube that is followed
    spacing          voxels between nodes
    search           voxels that the first, whole-voxel search covers to each side
    least            normalised correlation under which a match is not believed (POOR_FIT)
    most_error       voxels; a node whose texture cannot hold this error is flagged (TOO_FEW_COUNTS)
    """

    window: int = 21
    spacing: int = 10
    search: int = 6
    least: float = 0.5
    most_error: float = 0.1


def displacement_field(
    reference: xr.DataArray, moved: xr.DataArray, how: Correlation | None = None, *,
    inside: xr.DataArray | None = None, method: Literal["own", "spam"] = "own",
) -> xr.Dataset:  # fmt: skip
    """Where material at the nodes of a grid in `reference` went in `moved`: u, with errors and texture flag.

    Whole voxels by the peak of the zero-mean normalised correlation (FFT) within `search`; then Gauss-Newton on
    the normalised squared difference, cubic B-splines, one shift a window (the window's mean displacement: gradients
    across it cancel to first order, curvature does not).

    reference, moved   (z, y, x) of one size, registered (see `register_rigid`): u contains what the registration left
    inside             (z, y, x) bool in the reference: nodes whose window centre is outside are skipped (NO_DATA)

    method             "spam": the second step by spam (GPL, extra `spam`): a linear deformation a window. It gives no
                       errors: `_err`, `correlation` and the texture flags stay those of our step

    Over z, y, x (centres of the nodes, um): `u_z`, `u_y`, `u_x` (um; positive along the axis) each with
    `_err`, `correlation`, `flag` (NO_DATA not tried or left the volume; TOO_FEW_COUNTS no texture: the
    expected error along some axis is over `most_error`; POOR_FIT correlation under `least`; NOT_CONVERGED;
    WINDOW_EDGE found at the border of the search). Errors: scatter of 27 pieces of the window, which knows of
    correlated noise but not of curvature, and never under the white-noise error. Flagged nodes keep their
    value except where there is none (NaN); use `where(flag == 0)`. Raises InputError for volumes that differ
    in size or are smaller than window and search.
    """
    from scipy.ndimage import spline_filter

    from ._correlate_kernels import refine

    how = how or Correlation()
    reference, moved = (check_volume(v.squeeze(), where="displacement_field") for v in (reference, moved))
    check_series(reference, moved, where="displacement_field")
    first = np.ascontiguousarray(reference.values, np.float32)
    second = np.ascontiguousarray(moved.values, np.float32)
    axes, corners = _nodes(first.shape, how)
    tried = np.ones(len(corners), bool)
    if inside is not None:
        middle = corners + how.window // 2
        tried = inside.transpose(*AXES).values[tuple(middle.T)].astype(bool)
    shifts, at_edge = np.zeros((len(corners), 3)), np.zeros(len(corners), bool)
    for node in np.flatnonzero(tried):
        shifts[node], at_edge[node] = _whole_voxels(first, second, corners[node], how)
    count = int(tried.sum())
    found = shifts[tried].copy()
    errors, hessians = np.empty((count, 3)), np.empty((count, 3, 3))
    correlation, residual, iterations = np.zeros(count), np.zeros(count), np.zeros(count, np.int64)
    coefficients = spline_filter(second, 3, output=np.float32, mode="mirror")
    refine(
        first, coefficients, corners[tried], how.window, found, errors, correlation, hessians, residual,
        iterations, 1e-3
    )  # fmt: skip
    expected = _white_error(hessians, residual, how.window**3)
    flag = np.full(len(corners), int(Flag.NO_DATA))
    flag[tried] = _flags(iterations, correlation, expected, at_edge[tried], how)
    u, u_err, r = (np.full((len(corners), *more), np.nan) for more in ((3,), (3,), ()))
    if method == "spam":
        from .displacement_spam import refine_by_spam

        found, not_converged = refine_by_spam(first, second, corners[tried], shifts[tried], how.window)
        flag[tried] |= not_converged
    u[tried] = np.where((iterations >= 0)[:, None], found, np.nan)
    u_err[tried] = np.where((iterations >= 0)[:, None], np.maximum(errors, expected), np.nan)
    r[tried] = correlation
    return _dataset(reference, axes, u, u_err, r, flag, how)


def _nodes(shape, how: Correlation) -> tuple[list[np.ndarray], np.ndarray]:
    """First voxels of the windows along each axis, and of all of them (nodes, 3)."""
    border = how.search + 3
    room = [n - how.window - 2 * border for n in shape]
    if min(room) < 0:
        raise InputError(
            f"a volume of {shape} voxels for windows of {how.window} and a search of {how.search}",
            where="displacement_field", fix="Use smaller windows or a smaller search.",
        )  # fmt: skip
    axes = [border + np.arange(0, r + 1, how.spacing) + (r % how.spacing) // 2 for r in room]
    return axes, np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def _whole_voxels(first, second, corner, how: Correlation) -> tuple[np.ndarray, bool]:
    """Shift (voxels) of the best normalised correlation, and whether it lies at the border of the search."""
    from scipy import fft

    n, s = how.window, how.search
    f = first[tuple(slice(c, c + n) for c in corner)].astype(float)
    g = second[tuple(slice(c - s, c + n + s) for c in corner)].astype(float)
    f, g = f - f.mean(), g - g.mean()
    size = [fft.next_fast_len(m, real=True) for m in g.shape]
    fg = fft.irfftn(np.conj(fft.rfftn(f, size)) * fft.rfftn(g, size), size)[
        tuple(slice(2 * s + 1) for _ in range(3))
    ]
    sums, squares = _window_sums(g, n), _window_sums(g * g, n)
    spread = squares - sums**2 / n**3
    score = fg / np.sqrt(np.maximum(spread, 1e-9 * max(spread.max(), 1e-30)))
    at = np.array(np.unravel_index(int(np.argmax(score)), score.shape))
    return (at - s).astype(float), bool(((at == 0) | (at == 2 * s)).any() and s > 0)


def _window_sums(values: np.ndarray, n: int) -> np.ndarray:
    """Sums over all windows of n^3."""
    for axis in range(3):
        total = np.cumsum(values, axis)
        total = np.concatenate([np.zeros_like(np.take(total, [0], axis)), total], axis)
        count = total.shape[axis]
        values = np.take(total, range(n, count), axis) - np.take(total, range(count - n), axis)
    return values


def _white_error(hessians: np.ndarray, residual: np.ndarray, voxels: int) -> np.ndarray:
    """(nodes, 3) error (voxels) by white noise: sqrt diag of s^2 H^-1, the noise's own share taken out of H.

    The residual holds the noise of both images, s^2 / 2 each; central differences pass half of it into H. inf where
    nothing but noise is left.
    """
    noise = np.eye(3) * (0.25 * residual * voxels)[:, None, None]
    signal = hessians - noise
    least = np.linalg.eigvalsh(signal)[:, 0] if len(signal) else np.zeros(0)
    good = least > LEAST_TEXTURE * 0.25 * residual * voxels
    result = np.full((len(hessians), 3), np.inf)
    if good.any():
        inverse = np.linalg.inv(signal[good])
        result[good] = np.sqrt(residual[good][:, None] * np.diagonal(inverse, axis1=1, axis2=2))
    return result


def _flags(iterations, correlation, expected, at_edge, how: Correlation) -> np.ndarray:
    flag = np.where(iterations == -1, int(Flag.NO_DATA), 0)
    flag |= np.where(iterations == -2, int(Flag.NOT_CONVERGED), 0)
    weak = (iterations == -3) | ~(expected.max(1, initial=0) <= how.most_error)
    flag |= np.where(weak, int(Flag.TOO_FEW_COUNTS), 0)
    flag |= np.where(correlation < how.least, int(Flag.POOR_FIT), 0)
    return flag | np.where(at_edge, int(Flag.WINDOW_EDGE), 0)


def _dataset(reference, axes, u, u_err, correlation, flag, how) -> xr.Dataset:
    shape = tuple(len(a) for a in axes)
    sizes, own = voxel_sizes(reference), coordinates(reference, *AXES)
    data = {}
    for k, axis in enumerate(AXES):
        data[f"u_{axis}"] = quantity(
            (u[:, k] * sizes[axis]).reshape(shape), AXES, "um", f"displacement along {axis}"
        )
        data[f"u_{axis}_err"] = quantity((u_err[:, k] * sizes[axis]).reshape(shape), AXES, "um")
    data["correlation"] = quantity(correlation.reshape(shape), AXES, "1", "normalised correlation")
    half = (how.window - 1) / 2
    coords = {
        a: (a, np.interp(first + half, np.arange(reference.sizes[a]), own[a][1]), {"units": "um"})
        for a, first in zip(AXES, axes, strict=True)
    }
    result = xr.Dataset(
        data, coords, attrs={"method": "normalised correlation, one shift a window", "how": repr(how)}
    )
    result["flag"] = flag_variable(flag.reshape(shape), AXES)
    return result


def strain_field(field: xr.Dataset, *, reach: int = 1) -> xr.Dataset:
    """Small-strain tensor from a displacement field: e_ij = (du_i/dx_j + du_j/dx_i) / 2.

    Gradients are weighted least-squares planes through the good nodes (flag 0) within `reach` nodes along each axis.
    Over z, y, x: `e_zz e_yy e_xx e_zy e_zx e_yx`, each with `_err`, `volumetric` (trace) with `_err`, `flag`
    (TOO_FEW_COUNTS: neighbours do not fix a plane; NaN). Errors of nodes are taken as independent: windows that overlap
    make them up to a factor (window / spacing)^1.5 too small. Rotations drop out to first order only.
    """
    size = [field.sizes[a] for a in AXES]
    good = field["flag"].values == 0
    place = np.stack(np.meshgrid(*(field[a].values for a in AXES), indexing="ij"))
    slopes, covers, fixed = {}, {}, np.ones(size, bool)
    for axis in AXES:
        slopes[axis], covers[axis], ok = _planes(
            field[f"u_{axis}"].values, field[f"u_{axis}_err"].values, good, place, reach
        )
        fixed &= ok
    data = {}
    for i, a in enumerate(AXES):
        for j, b in enumerate(AXES[i:], i):
            value = 0.5 * (slopes[a][j] + slopes[b][i])
            error = np.sqrt(covers[a][j]) if i == j else 0.5 * np.sqrt(covers[a][j] + covers[b][i])
            data[f"e_{a}{b}"] = quantity(np.where(fixed, value, np.nan), AXES, "1", "strain")
            data[f"e_{a}{b}_err"] = quantity(np.where(fixed, error, np.nan), AXES, "1")
    trace = sum(slopes[a][i] for i, a in enumerate(AXES))
    error = np.sqrt(sum(covers[a][i] for i, a in enumerate(AXES)))
    data["volumetric"] = quantity(np.where(fixed, trace, np.nan), AXES, "1", "relative change of volume")
    data["volumetric_err"] = quantity(np.where(fixed, error, np.nan), AXES, "1")
    result = xr.Dataset(data, {a: field[a] for a in AXES}, attrs={"reach": reach})
    result["flag"] = flag_variable(np.where(fixed, 0, int(Flag.TOO_FEW_COUNTS)), AXES)
    return result


def _planes(u, error, good, place, reach) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes (3, ...), their variances and whether they are fixed, of planes through the neighbours of every node."""
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(good & np.isfinite(u) & (error > 0), error**-2.0, 0.0)
    value = np.nan_to_num(u)
    normal, right = np.zeros((*u.shape, 4, 4)), np.zeros((*u.shape, 4))
    pad = [(reach, reach)] * 3
    w_pad, u_pad = np.pad(weight, pad), np.pad(value, pad)
    p_pad = np.pad(place, [(0, 0), *pad], mode="edge")
    for step in np.ndindex(*([2 * reach + 1] * 3)):
        cut = tuple(slice(s, s + n) for s, n in zip(step, u.shape, strict=True))
        row = np.concatenate([np.ones((1, *u.shape)), p_pad[(slice(None), *cut)] - place])
        w = w_pad[cut]
        normal += np.einsum("i...,j...,...->...ij", row, row, w)
        right += np.moveaxis(row * w * u_pad[cut], 0, -1)
    scale = np.sqrt(np.maximum(np.diagonal(normal, axis1=-2, axis2=-1), 1e-300))
    unit = normal / (scale[..., :, None] * scale[..., None, :])
    fixed = (np.linalg.eigvalsh(unit)[..., 0] > 1e-6) & (scale > 1e-140).all(-1)
    unit = np.where(fixed[..., None, None], unit, np.eye(4))
    inverse = np.linalg.inv(unit) / (scale[..., :, None] * scale[..., None, :])
    solution = np.einsum("...ij,...j->...i", inverse, right)
    return (
        np.moveaxis(solution[..., 1:], -1, 0), np.moveaxis(np.diagonal(inverse, axis1=-2, axis2=-1)[..., 1:], -1, 0),
        fixed,
    )  # fmt: skip
