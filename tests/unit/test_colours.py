"""Colours of series: told apart by all kinds of eyes, on light and on dark ground, the same in report and dashboard."""

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

from operando.show.style import DARK, PAPER, SERIES

#: Machado, Oliveira and Fernandes 2009, severity 1.0
EYES = {
    "all three": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
THEMES = {"light": (SERIES, "#ffffff"), "dark": ([DARK[one] for one in SERIES], DARK[PAPER])}


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(
        rgb, 0, 1
    )
    t = xyz / [0.9505, 1.0, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eye", EYES)
def test_no_two_series_look_alike(theme, eye):
    seen = [lab(np.array(EYES[eye]) @ linear(colour)) for colour in THEMES[theme][0]]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 10  # 2.3 is just seen


@pytest.mark.parametrize("theme", THEMES)
def test_every_series_stands_out_from_its_ground(theme):
    colours, ground = THEMES[theme]
    weight = np.array([0.2126, 0.7152, 0.0722])
    for colour in colours:
        pair = sorted(float(weight @ linear(one)) + 0.05 for one in (colour, ground))
        assert pair[1] / pair[0] >= 3  # WCAG 2, graphics


def test_report_and_dashboard_have_the_same_colours():
    css = (files("operando.show.dashboard") / "page" / "page.css").read_text()
    found = re.findall(r"--s(\d):(#[0-9a-f]{6})", css)
    both = [*enumerate(SERIES), *enumerate(THEMES["dark"][0])]
    assert [(int(number), colour) for number, colour in found] == both
