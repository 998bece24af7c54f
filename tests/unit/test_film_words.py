"""What the report says of the film: the numbers of the groups, with errors that hold the truth as often as stated."""

import numpy as np
import pytest
import xarray as xr

from operando.show.figures.science import front as front_figure
from operando.show.film_words import film_findings, front_speed


def front(rng, columns=6, speed=-10.0, sigma=0.4, p=None):
    time = np.arange(12) * 300.0
    place = 30 + 1e-3 * speed * time + 0.1 * rng.standard_normal((columns, len(time)))
    one = {
        "position_map": (("family", "x", "time"), place[None]),
        "position_err": (("family", "x", "time"), np.full((1, columns, len(time)), 0.1)),
        "speed": (("family", "x"), speed + sigma * rng.standard_normal((1, columns)), {"units": "nm/s"}),
        "speed_err": (("family", "x"), np.full((1, columns), sigma)),
        "p_constant": (("family", "x"), rng.random((1, columns)) if p is None else np.full((1, columns), p)),
    }
    coords = {"family": ["perp"], "x": np.arange(columns) * 33.0, "time": ("time", time, {"units": "s"})}
    return xr.Dataset(one, coords=coords, attrs={"profile": "c"})


def test_the_speed_of_all_columns_and_their_joint_chance_are_as_stated():
    rng = np.random.default_rng(4)
    found = [front_speed(front(rng), "perp") for _ in range(400)]
    pulls = np.array([(speed.value + 10) / speed.error for speed, _ in found])
    assert pulls.std() == pytest.approx(
        0.95, abs=0.1
    )  # errors are widened by chance scatter, never made smaller
    rejected = np.mean([p < 0.05 for _, p in found])
    assert rejected == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 400))
    assert front_speed(front(rng, p=0.01), "perp")[1] < 1e-4


def test_the_front_says_its_direction_and_speed():
    rng = np.random.default_rng(1)
    down = film_findings({"xrd/LCO003/front": front(rng, p=0.5)})[0]
    assert down.startswith("The front of LCO003 perp moves towards the substrate at ")
    assert "a constant speed is not rejected" in down
    assert "towards the surface" in film_findings({"xrd/LCO003/front": front(rng, speed=3.0)})[0]


def test_one_hopeless_position_does_not_set_the_scale_of_the_figure():
    data = front(np.random.default_rng(2))
    data["position_err"][0, 2, 3] = 30000.0
    axes = front_figure("LCO003", data).figure.axes[0]
    low, high = axes.get_ylim()
    places = data["position_map"].values
    assert low < places.min() < places.max() < high
    assert high - low < 4 * np.ptp(places)


def test_layer_lithium_and_grains_say_their_last_values():
    time = ("time", np.arange(3) * 60.0, {"units": "s"})
    flag = np.zeros((2, 3), int)
    flag[:, 2] = 4  # the last map has no valid point
    layer = xr.Dataset({"displacement": (("x", "time"), np.array([[0, 1.0, 9], [0, 3.0, 9]])),
                        "displacement_err": (("x", "time"), np.full((2, 3), 0.1)),
                        "displacement_flag": (("x", "time"), flag)}, coords={"time": time})  # fmt: skip
    counts = xr.Dataset({"total": ("time", [0.0, 7.0, 5.0]), "total_err": ("time", [1.0, 2.0, 2.0])},
                        coords={"time": time})  # fmt: skip
    plating = xr.Dataset({"thickness": ("time", [0.0, 2.5, 3.0])}, coords={"time": time})
    said = film_findings({"xrd/Ti100/layer": layer, "grains/counts": counts, "plating": plating})
    assert (
        said[0]
        == "The layer of Ti100 moved by 2.0 ± 1.0 µm up to map 2; the charge alone plates 2.5 µm of dense lithium."
    )
    assert said[1] == "At most 7 ± 2 grains are in diffraction condition (map 2), 5 ± 2 in map 3."
