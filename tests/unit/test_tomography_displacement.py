"""Local correlation, strain and registration on volumes moved by a known amount."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import fourier_shift, gaussian_filter, map_coordinates, spline_filter

from operando import tomography as tomo
from operando.core.errors import InputError
from operando.tomography import _correlate_kernels as kernels

VOXEL = 1.7
HOW = tomo.Correlation(window=15, spacing=8, search=3)


def volume(values):
    return xr.DataArray(np.asarray(values, np.float32), dims=("z", "y", "x"), attrs={"voxel_um": VOXEL})


def texture(rng, n=48):
    values = gaussian_filter(rng.standard_normal((n, n, n)), 1.5, mode="wrap")
    return values / values.std()


def shifted(values, shift):
    """Moved by `shift` voxels, exactly (periodic)."""
    return np.fft.ifftn(fourier_shift(np.fft.fftn(values), shift)).real


@pytest.mark.parametrize("shift", [(0.3, -0.45, 0.5), (2.2, -1.7, 0.05)])
def test_uniform_shift_is_found_within_its_error(rng, shift):
    values = texture(rng)
    pair = [volume(v + 0.2 * rng.standard_normal(values.shape)) for v in (values, shifted(values, shift))]
    field = tomo.displacement_field(*pair, HOW)
    assert (field["flag"].values == 0).all()
    for axis, known in zip("zyx", shift, strict=True):
        off = field[f"u_{axis}"].values / VOXEL - known
        assert np.sqrt((off**2).mean()) < 0.03
        assert abs(off.mean()) < 0.01
        assert 0.6 < (off * VOXEL / field[f"u_{axis}_err"].values).std() < 1.4


def test_strain_of_a_known_stretch(rng):
    values = texture(rng, 64)
    z, y, x = np.indices(values.shape).astype(float)
    stretch = (z - 32) * 0.97 + 32, y, (x - 32) * 1.02 + 32 - 0.0 * z
    pair = [volume(values), volume(map_coordinates(values, stretch, order=5, mode="wrap"))]
    found = tomo.strain_field(tomo.displacement_field(*pair, HOW))
    middle = found.isel(z=slice(1, -1), y=slice(1, -1), x=slice(1, -1))
    assert float(middle["e_zz"].mean()) == pytest.approx(1 / 0.97 - 1, abs=0.002)
    assert float(middle["e_xx"].mean()) == pytest.approx(1 / 1.02 - 1, abs=0.002)
    assert abs(float(middle["e_yy"].mean())) < 0.001
    assert float(middle["volumetric"].mean()) == pytest.approx(1 / 0.97 + 1 / 1.02 - 2, abs=0.003)


def test_no_texture_is_flagged(rng):
    pair = [volume(1 + 0.1 * rng.standard_normal((44, 44, 44))) for _ in range(2)]
    assert (tomo.displacement_field(*pair, HOW)["flag"].values != 0).all()
    even = volume(np.ones((44, 44, 44)))
    field = tomo.displacement_field(even, even, HOW)
    assert (field["flag"].values != 0).all()
    assert np.isnan(field["u_z"].values).all()


def test_layers_alone_do_not_fix_the_motion_along_them(rng):
    layers = texture(rng)[:, :1, :1] * 5 * np.ones((48, 48, 48))
    pair = [volume(layers + 0.1 * rng.standard_normal(layers.shape)) for _ in range(2)]
    assert (tomo.displacement_field(*pair, HOW)["flag"].values != 0).all()


def test_columns_outside_are_missing(rng):
    values = texture(rng)
    inside = volume(np.indices(values.shape)[0] > 24) > 0
    field = tomo.displacement_field(volume(values), volume(values), HOW, inside=inside)
    assert np.isnan(field["u_z"].values[0]).all()
    assert (field["flag"].values[0] == 1).all()
    assert (field["flag"].values[-1] == 0).all()


def test_bad_volumes_are_one_clear_error(rng):
    values = volume(texture(rng))
    with pytest.raises(InputError, match="volume 1 is"):
        tomo.displacement_field(values, values[:40], HOW)
    with pytest.raises(InputError, match="not finite"):
        tomo.displacement_field(values, values.where(values > 0).assign_attrs(values.attrs), HOW)
    with pytest.raises(InputError, match="windows of"):
        tomo.displacement_field(values[:20], values[:20], HOW)


def test_kernel_of_shifted_windows_against_scipy(rng):
    values = texture(rng, 24)
    coefficients = spline_filter(values, 3, mode="mirror").astype(np.float32)
    n, shift = 7, np.array([0.3, -1.6, 2.9])
    out, weights = np.empty((n, n, n)), np.empty((3, 4))
    ok = kernels.shifted_window(
        coefficients, 8, 8, 8, n, shift, out, weights, np.empty((n + 3, n + 3, n)), np.empty((n + 3, n, n))
    )
    at = np.indices((n, n, n)).reshape(3, -1) + 8 + shift[:, None]
    assert ok
    expected = map_coordinates(values, at, order=3, mode="mirror").reshape(n, n, n)
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_kernels_of_gradient_and_correlation_against_numpy(rng):
    values = texture(rng, 16)
    gradient, hessian = np.empty((3, 7, 7, 7)), np.empty((3, 3))
    kernels.gradients(values, 4, 4, 4, 7, gradient, hessian)
    expected = np.stack([g[4:11, 4:11, 4:11] for g in np.gradient(values)])
    np.testing.assert_allclose(gradient, expected)
    np.testing.assert_allclose(hessian, np.einsum("aijk,bijk->ab", expected, expected))
    f, g = values[4:11, 4:11, 4:11].copy(), values[5:12, 4:11, 4:11].copy()
    assert kernels.correlate(f, g)[4] == pytest.approx(np.corrcoef(f.ravel(), g.ravel())[0, 1])
    pieces = np.empty((27, 3))
    rest = kernels.score_of(f, g, gradient, f.mean(), g.mean(), 1.1, pieces)
    r = (f - f.mean()) - 1.1 * (g - g.mean())
    assert rest == pytest.approx((r**2).sum())
    np.testing.assert_allclose(pieces.sum(0), (r * gradient).sum((1, 2, 3)))


# registration


def turned(values, shift, degrees):
    """Moved by a shift and a turn about z through the middle, by fine interpolation."""
    t = np.radians(degrees)
    middle = (np.array(values.shape) - 1) / 2
    z, y, x = (i - m for i, m in zip(np.indices(values.shape).astype(float), middle, strict=True))
    z, y, x = z - shift[0], y - shift[1], x - shift[2]
    back = z, np.cos(t) * y + np.sin(t) * x, -np.sin(t) * y + np.cos(t) * x
    return map_coordinates(
        values, [b + m for b, m in zip(back, middle, strict=True)], order=5, mode="nearest"
    )


def test_shift_and_turn_of_what_is_held(rng):
    values = texture(rng)
    moved = volume(turned(values, (0.6, -1.3, 0.4), 1.5))
    first = volume(values)
    held = volume(np.ones(values.shape)) > 0
    held[:8], held[-8:] = False, False
    motion = tomo.register_rigid(
        first, moved, held, name="all of it", free=("z", "y", "x", "about_z"), start_um=(0, 0, 0)
    )
    found = motion["motion"].values
    assert found[:3] / VOXEL == pytest.approx([0.6, -1.3, 0.4], abs=0.02)
    assert abs(found[3]) == pytest.approx(1.5, abs=0.02)
    assert (motion["flag"].values[:4] == 0).all()
    back = tomo.apply_motion(moved, motion).values[10:-10, 10:-10, 10:-10]
    assert np.std(back - values[10:-10, 10:-10, 10:-10]) < 0.02
    assert tomo.apply_motion(moved, motion).attrs["held_fixed"] == "all of it"


def test_only_what_is_held_counts(rng):
    values = texture(rng)
    moved = values.copy()
    moved[24:] = shifted(values, (2.0, 0, 0))[24:]
    held = tomo.held_slab(volume(values), (0.0, 20 * VOXEL))
    motion = tomo.register_rigid(volume(values), volume(moved), held, name="lower half")
    assert np.abs(motion["motion"].values[:3]).max() < 0.02 * VOXEL


def test_a_flat_face_does_not_fix_the_section(rng):
    z = np.arange(40)[:, None, None]
    face = 10 / (1 + np.exp((z - 20.0) / 1.0)) * np.ones((40, 40, 40))
    later = 10 / (1 + np.exp((z - 20.7) / 1.0)) * np.ones((40, 40, 40))
    pair = [volume(v + 0.05 * rng.standard_normal(v.shape)) for v in (face, later)]
    held = volume(np.ones(face.shape)) > 0
    motion = tomo.register_rigid(*pair, held, name="face", most_error_um=0.02)
    assert float(motion["motion"][0]) == pytest.approx(0.7 * VOXEL, abs=0.03)
    assert motion["flag"].values[0] == 0
    assert (motion["flag"].values[1:3] != 0).all()
    assert (motion["motion"].values[1:] == 0).all()


def test_registration_refuses_an_empty_region_and_other_sizes(rng):
    values = volume(texture(rng, 24))
    with pytest.raises(InputError, match="held region"):
        tomo.register_rigid(values, values, values > 1e9, name="nothing")
    with pytest.raises(InputError, match="volume 1 is"):
        tomo.register_rigid(values, values[:20], values > 0, name="half")
    with pytest.raises(InputError, match="no freedom"):
        tomo.register_rigid(values, values, values > 0, name="all", free=("sideways",))


def test_stack_thickness_and_tilt():
    _, x = np.indices((20, 30))
    lower = xr.DataArray(5.0 + 0 * x, dims=("y", "x"))
    upper = xr.DataArray(105.0 + 0.1 * x, dims=("y", "x"))
    found = tomo.stack_thickness(lower, upper)
    assert float(found["thickness"]) == pytest.approx(100 + 1.45)
    assert float(found["tilt"]) == pytest.approx(2.9, rel=0.01)
