"""Current through contact maps: every exact answer, invariances, an independent solver, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.ndimage import gaussian_filter

from operando.core.errors import InputError
from operando.transport import Slab, constriction_series, contact_current
from operando.transport._constriction_solve import spreading_multiplier, transform_of

HALF = Slab(np.inf, 1.0)  # 1 S/cm
UM = 1e-4  # cm


def discs(shape, centres, radius):
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.any([(y - c[0]) ** 2 + (x - c[1]) ** 2 <= radius**2 for c in centres], 0)


def resistance(mask, sides="periodic", slabs=HALF, **options):
    """Constriction resistance in Ohm of a map with pixels of 1 um."""
    areal = float(contact_current(mask, 1.0, slabs, sides=sides, **options).constriction_resistance)
    return areal / (mask.size * UM**2)


def patches(rng, shape, fraction, size=4.0, mode="reflect"):
    smooth = gaussian_filter(rng.normal(size=shape), size, mode=mode)
    return smooth > np.quantile(smooth, 1 - fraction)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_stripes_are_exact_to_a_thousandth(fraction):
    pixels, depth = 320, 1
    mask = np.zeros((depth, pixels), bool)
    mask[:, : round(fraction * pixels)] = True
    exact = np.log(1 / np.sin(np.pi * fraction / 2)) / np.pi / UM / depth
    assert resistance(mask) == pytest.approx(exact, rel=1e-3)
    assert resistance(mask, "mirror") == pytest.approx(2 * exact, rel=1e-3)  # half a period, half the current


def series(e):
    """Spot in a round tube: resistance over that of the half space, e = radius of the spot / radius of the tube."""
    return 1 - 1.4098 * e + 0.3441 * e**3 + 0.0435 * e**5


@pytest.mark.parametrize(("radius", "e"), [(12, 0.1), (20, 0.2), (20, 0.35)])
def test_periodic_spots_follow_the_series(radius, e):
    pixels = round(radius / e * np.sqrt(np.pi))
    exact = series(radius / (pixels / np.sqrt(np.pi))) / (4 * radius * UM)
    centre = (pixels / 2 + 0.3, pixels / 2 - 0.2)
    assert resistance(discs((pixels, pixels), [centre], radius)) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("e", [0.3, 0.5])
def test_hexagonal_spots_follow_the_series_further(e):
    """A hexagon is nearer to the round tube of the series than a square, which differs by 1.3 % at e = 0.5."""
    radius = 30
    across = round(radius * np.sqrt(2 * np.pi / np.sqrt(3)) / e)
    shape = (round(across * np.sqrt(3)), across)
    e = radius * np.sqrt(2 * np.pi / (shape[0] * shape[1]))
    centres = [(0.25 * shape[0], 0.25 * shape[1]), (0.75 * shape[0], 0.75 * shape[1])]
    exact = series(e) / (4 * radius * UM) / 2  # two spots side by side
    assert resistance(discs(shape, centres, radius)) == pytest.approx(exact, rel=0.01)


def test_square_array_has_its_own_lattice_sum():
    """Charges on a square lattice in a uniform background: potential -3.900265 / period, over 2 pi k here."""
    pixels = 900
    mask = discs((pixels, pixels), [(450.3, 449.8)], 16)
    radius = np.sqrt(mask.sum() / np.pi)  # of a disc of the same area
    exact = (1 / (4 * radius) - 3.900265 / (2 * np.pi * pixels)) / UM
    assert resistance(mask) == pytest.approx(exact, rel=0.003)


def test_single_spot_on_a_half_space():
    """1/(4 k a): the limit of ever larger periods, taken from two periods (the leading term is linear in e)."""
    radius, sizes = 10, (400, 800)
    found = [resistance(discs((n, n), [(n / 2, n / 2)], radius)) for n in sizes]
    limit = 2 * found[1] - found[0]
    assert limit == pytest.approx(1 / (4 * radius * UM), rel=0.01)


def test_greenwoods_cluster_of_spots():
    """Spots far from each other and from the border: 1/(4 k n a) + sum over pairs of 1/s / (2 pi k n^2)."""
    rng, radius, spots = np.random.default_rng(3), 8, 7
    found = {}
    angle = np.arange(spots - 1) * 2 * np.pi / (spots - 1)
    ring = np.stack([np.sin(angle), np.cos(angle)], 1) * (60 + rng.uniform(-8, 8, (spots - 1, 1)))
    offsets = np.vstack([[0.0, 0.0], ring])
    for n in (600, 1200):
        found[n] = resistance(discs((n, n), n / 2 + offsets, radius))
    limit = 2 * found[1200] - found[600]
    apart = np.linalg.norm(offsets[:, None] - offsets[None], axis=2)
    pairs = (1 / apart[apart > 0]).sum()
    greenwood = (1 / (4 * spots * radius) + pairs / (2 * np.pi * spots**2)) / UM
    assert limit == pytest.approx(greenwood, rel=0.01)


def test_layered_slab_agrees_with_finite_differences(rng):
    """An independent solve: finite differences in the whole volume, refined and extrapolated to fine voxels."""
    coarse = patches(rng, (12, 12), 0.35, 1.5)
    layers = (Slab(3.0, 0.2), Slab(5.0, 1.0))
    refined = {n: finite_differences(np.kron(coarse, np.ones((n, n), bool)), n, layers) for n in (1, 2, 4)}
    limit = refined[4] + (refined[4] - refined[2]) * 0.9  # first order in the voxel: 2 f(h/2) - f(h), nearly
    fine = np.kron(coarse, np.ones((8, 8), bool))
    ours = float(contact_current(fine, 1 / 8, layers).resistance)
    assert abs(refined[4] - refined[2]) < abs(refined[2] - refined[1])
    assert ours == pytest.approx(limit, rel=0.01)
    assert ours < refined[4]


def solved(system, right):
    """Conjugate gradients without BLAS, whose threads wait for each other on a busy machine."""
    scale = 1 / system.diagonal()
    x, r = np.zeros_like(right), right.copy()
    p, rz = scale * r, (r * scale * r).sum()
    while (r * r).sum() > 1e-18 * (right * right).sum():
        q = system @ p
        step = rz / (p * q).sum()
        x, r = x + step * p, r - step * q
        rz, before = (r * scale * r).sum(), rz
        p = scale * r + rz / before * p
    return x


def finite_differences(mask, refine, layers):
    """Areal resistance (Ohm cm2), 7-point volume solve with mirror sides; pixel 1/refine um."""
    h = 1 / refine
    k = np.repeat([s.conductivity_S_per_cm for s in layers], [round(s.thickness_um / h) for s in layers])
    ny, nx, nz = *mask.shape, len(k)
    index = np.arange(nz * ny * nx).reshape(nz, ny, nx)
    rows, columns, values = [], [], []

    def join(a, b, g):
        g = np.broadcast_to(g, a.shape)
        rows.extend([a, b, a, b]), columns.extend([a, b, b, a]), values.extend([g, g, -g, -g])

    deep = k[:, None, None]
    join(index[:, 1:], index[:, :-1], deep)
    join(index[:, :, 1:], index[:, :, :-1], deep)
    join(index[1:], index[:-1], 2 / (1 / deep[1:] + 1 / deep[:-1]))
    matrix = sparse.coo_matrix(
        (np.concatenate([np.ravel(v) for v in values]),
         (np.concatenate([np.ravel(r) for r in rows]), np.concatenate([np.ravel(c) for c in columns]))),
        (index.size, index.size),
    )  # fmt: skip
    top, far = index[0][mask], index[-1].ravel()
    ends = np.zeros(index.size)
    ends[top] += 2 * k[0]
    ends[far] += 2 * k[-1]
    right = np.zeros(index.size)
    right[top] = 2 * k[0]
    system = (matrix + sparse.diags(ends)).tocsr()
    potential = solved(system, right)
    current = (2 * k[0] * (1 - potential[top])).sum() * h * UM
    return mask.size * (h * UM) ** 2 / current


def test_full_contact_is_the_plain_slab():
    slabs = [Slab(10.0, 1e-3), Slab(50.0, 2e-3)]
    found = contact_current(np.ones((16, 24), bool), 2.0, slabs, film_resistance_ohm_cm2=7.0)
    assert float(found.uniform_resistance) == pytest.approx(10e-4 / 1e-3 + 50e-4 / 2e-3)
    assert float(found.constriction_resistance) == pytest.approx(0, abs=1e-6)
    assert float(found.film_resistance) == pytest.approx(7.0)
    np.testing.assert_allclose(found.current_density, 1.0, rtol=1e-6)


def test_current_is_conserved_and_stays_on_the_contacts(rng):
    mask = patches(rng, (96, 80), 0.2)
    found = contact_current(mask, 1.7, Slab(500, 2e-3))
    assert float(found.current_density.mean()) == pytest.approx(1.0, rel=1e-12)
    assert (found.current_density.values[~mask] == 0).all()
    assert (found.current_density.values[mask] > 0).all()


def test_scaling_with_size_and_conductivity(rng):
    mask = patches(rng, (64, 64), 0.3)
    one = float(contact_current(mask, 1.0, HALF).constriction_resistance)
    other = float(contact_current(mask, 3.0, Slab(np.inf, 0.01)).constriction_resistance)
    assert other == pytest.approx(300 * one, rel=1e-6)


def test_mirror_equals_periodic_of_the_mirrored_map(rng):
    mask = patches(rng, (40, 56), 0.3)
    mirrored = np.block([[mask, mask[:, ::-1]], [mask[::-1], mask[::-1, ::-1]]])
    one = contact_current(mask, 1.0, Slab(30, 1.0), tolerance=1e-10)
    four = contact_current(mirrored, 1.0, Slab(30, 1.0), sides="periodic", tolerance=1e-10)
    assert float(one.resistance) == pytest.approx(float(four.resistance), rel=1e-8)
    np.testing.assert_allclose(one.current_density, four.current_density[:40, :56], rtol=1e-5, atol=1e-8)


def test_splitting_a_slab_changes_nothing(rng):
    mask = patches(rng, (48, 48), 0.3)
    whole = contact_current(mask, 1.0, Slab(30, 1.0))
    parts = contact_current(mask, 1.0, [Slab(4, 1.0), Slab(0.0, 5.0), Slab(26, 1.0)])
    assert float(whole.resistance) == pytest.approx(float(parts.resistance), rel=1e-6)


def test_film_resistance_evens_the_current_out(rng):
    mask = patches(rng, (64, 64), 0.3)
    spread = [
        float(contact_current(mask, 1.0, HALF, film_resistance_ohm_cm2=r).current_density.values[mask].std())
        for r in (0.0, 1e-4, 1e-2, 1.0)
    ]
    assert (np.diff(spread) < 0).all()
    even = contact_current(mask, 1.0, HALF, film_resistance_ohm_cm2=1.0)
    assert float(even.film_resistance) == pytest.approx(1.0 / mask.mean(), rel=1e-9)


def test_disc_with_even_current():
    """Behind a large film resistance the current is even: 8 / (3 pi^2 k a) instead of 1 / (4 k a)."""
    mask = discs((400, 400), [(200.3, 199.8)], 20)
    least, even = resistance(mask), resistance(mask, film_resistance_ohm_cm2=1.0, tolerance=1e-10)
    assert even - least == pytest.approx((8 / (3 * np.pi**2) - 1 / 4) / (20 * UM), rel=0.05)


def test_multiplier_of_layers_against_the_plain_recursion():
    transform = transform_of((8, 6), "mirror", 1)
    found = spreading_multiplier(transform, [(2.0, 0.5), (3.0, 2.0)], 1.0)
    q = transform.s[3, 2]
    # surface potential for unit flux from the 4 x 4 system of exponentials
    e2, e5 = np.exp(2 * q), np.exp(5 * q)
    system = np.array(
        [[-0.5 * q, 0.5 * q, 0, 0], [e2, 1 / e2, -e2, -1 / e2],
         [0.5 * e2, -0.5 / e2, -2.0 * e2, 2.0 / e2], [0, 0, e5, 1 / e5]]
    )  # fmt: skip
    a, b, *_ = np.linalg.solve(system, [1.0, 0, 0, 0])
    assert found[3, 2] == pytest.approx((a + b) * transform.edge[3, 2], rel=1e-9)


def test_errors_come_from_the_edges(rng):
    mask = patches(rng, (128, 128), 0.2, 6.0)
    found = contact_current(mask, 1.0, Slab(200, 1.0), edge_err_px=0.5)
    other = contact_current(mask, 1.0, Slab(200, 1.0), edge_err_px=1.0)
    assert float(other.resistance_err) == pytest.approx(2 * float(found.resistance_err))
    assert 0 < float(found.resistance_err) < float(found.constriction_resistance)
    assert float(found.contact_fraction_err) > 0


def test_series_over_time(rng):
    maps = [patches(rng, (64, 64), share) for share in (0.5, 0.3, 0.1)]
    slabs = [[Slab(t, 1e-4), Slab(1000 - t, 2e-3)] for t in (5.0, 10.0, 20.0)]
    found = constriction_series(maps, 1.7, slabs)
    assert found.constriction_resistance.dims == ("time",)
    assert (found.constriction_resistance.diff("time") > 0).all()
    one = contact_current(maps[1], 1.7, slabs[1])
    assert float(found.resistance[1]) == pytest.approx(float(one.resistance))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"contact": np.zeros((8, 8), bool)}, "no contact"),
        ({"contact": np.full((8, 8), np.nan)}, "True and False"),
        ({"contact": np.full((8, 8), 0.4)}, "True and False"),
        ({"contact": np.ones(8, bool)}, "two dimensions"),
        ({"pixel_um": 0.0}, "positive"),
        ({"sides": "open"}, "unknown sides"),
        ({"slabs": []}, "no slabs"),
        ({"slabs": [HALF, HALF]}, "only the last"),
        ({"film_resistance_ohm_cm2": -1.0}, "film resistance"),
    ],
)
def test_bad_input_is_refused_with_one_sentence(change, said):
    given = {"contact": np.ones((8, 8), bool), "pixel_um": 1.0, "slabs": HALF} | change
    with pytest.raises(InputError, match=said):
        contact_current(**given)
    with pytest.raises(InputError, match="positive conductivity"):
        Slab(1.0, 0.0)
