"""Interfaces in space, in dashboard and report: drawn where the heights say; they turn, and the address keeps it."""

import threading
from contextlib import contextmanager

import chromium
import numpy as np
import pytest
import xarray as xr
from dashboard_run import build, told

from operando.flow.results import Results
from operando.flow.store import write_results
from operando.show.chapters.chapter import Chapter
from operando.show.dashboard import Dashboard, RunData
from operando.show.figures import space

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium on this machine")
READY = "window.operando && document.querySelector('#interface')?.dataset.ready"
SIDE, VOXEL = 41, 2.0
HILL = {"bottom": (60.0, 24.0), "top": (20.0, 56.0)}  # x, y of a hill on each face, um


def surfaces() -> dict[str, xr.Dataset]:
    """Two faces with one hill each, higher in every scan; contact left of the middle; a growing current there."""
    at = np.arange(SIDE) * VOXEL
    y, x = np.meshgrid(at, at, indexing="ij")
    time = np.array([0.0, 600.0, 1200.0])
    hills = [np.exp(-((x - HILL[n][0]) ** 2 + (y - HILL[n][1]) ** 2) / 98) for n in HILL]
    face = np.stack([[h * (2.0 + k) + 30 * (1 + e) for e, h in enumerate(hills)] for k in range(3)])
    face[:, :, :, 0] = np.nan
    contact = np.broadcast_to((x < 40).astype(float), face.shape)
    dims = ("time", "electrode", "y", "x")
    axes = {"electrode": list(HILL), "y": told("y", at, "um"), "x": told("x", at, "um")}
    maps = xr.Dataset(
        {
            "face": told(dims, face, "um"),
            "contact": told(dims, contact, "1"),
            "void": told(dims, 3 * (1 - contact), "um"),
        }
    )
    density = np.stack([np.where(x < 40, s, -s) * np.ones((2, SIDE, SIDE)) for s in (0.5, 1.0)], 1)
    ends = np.tile(time[1:], (2, 1))
    current = xr.Dataset({"current_density": told(("electrode", "interval", "y", "x"), density, "mA/cm2"),
                          "end": told(("electrode", "interval"), ends, "s")})  # fmt: skip
    return {"tomography/maps": maps.assign_coords(time=told("time", time, "s"), **axes),
            "tomography/current": current.assign_coords(axes)}  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    tab = chromium.Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("space") / "run"
    place.mkdir()
    write_results(Results("A made-up cell", {}, surfaces()), place / "results.nxs")
    return place


@contextmanager
def shown(browser, folder, state=""):
    with Dashboard([RunData(folder)], "127.0.0.1") as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        browser.open("about:blank")
        browser.events.clear()
        browser.open(f"{server.url}#{state}")
        browser.until(READY)
        settled(browser)
        yield server
        server.shutdown()


def settled(browser):
    browser.js("new Promise(done => setTimeout(() => done(0), 250))")


def picture(browser, query="#interface canvas"):
    """Colours of the drawing; alpha is 0 where no surface is."""
    size = browser.js(
        f"(() => {{ const c = document.querySelector('{query}'); return [c.height, c.width]; }})()"
    )
    data = browser.js(
        f"(() => {{ const c = document.querySelector('{query}');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return [...d].map(v => v.toString(16).padStart(2, '0')).join(''); })()"
    )
    return np.frombuffer(bytes.fromhex(data), np.uint8).reshape(*size, 4)


def highest(pixels):
    """Where on the surface the colour is yellowest (light and shade do not change that), in shares of its extent."""
    drawn = pixels[..., 3] > 0
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    red, green, blue = np.moveaxis(pixels[..., :3].astype(float), -1, 0)
    yellow = np.where(drawn, (red + green - 2 * blue) / np.maximum(red + green + blue, 1), -2)
    top = np.argwhere(yellow > yellow.max() - 0.05).mean(0)
    return (top[1] - columns[0]) / np.ptp(columns), (top[0] - rows[0]) / np.ptp(rows)


@pytest.mark.parametrize("electrode", ["bottom", "top"])
def test_from_above_the_hill_is_where_it_is(browser, run, electrode):
    with shown(browser, run, f"e={electrode}&a=0,90,1"):
        across, down = highest(picture(browser))
        x, y = HILL[electrode]
        assert across == pytest.approx(
            (x - VOXEL) / ((SIDE - 2) * VOXEL), abs=0.05
        )  # its first column is unknown
        assert down == pytest.approx(1 - y / ((SIDE - 1) * VOXEL), abs=0.05)  # y upwards
        assert browser.complaints() == []


def test_it_turns_by_keys_and_by_the_mouse_and_the_address_keeps_it(browser, run):
    with shown(browser, run, "a=0,90,1"):
        before = picture(browser)
        browser.js("document.querySelector('#interface .body').focus()")
        for _ in range(18):
            browser.key("ArrowRight")
        settled(browser)
        assert browser.js("operando.state.a") == "90,90,1"
        x, y = HILL["bottom"]
        across, down = highest(picture(browser))
        assert across == pytest.approx(1 - y / ((SIDE - 1) * VOXEL), abs=0.05)
        assert down == pytest.approx(1 - (x - VOXEL) / ((SIDE - 2) * VOXEL), abs=0.05)
        assert browser.js("operando.state.t") == 1200.0  # the arrows turned, and did not step in time
        box = browser.box("#interface .body")
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        browser.drag(middle, (middle[0] - 180, middle[1] - 120))
        settled(browser)
        assert browser.js("operando.state.a") == "0,30,1"
        low = picture(browser)
        assert np.ptp(np.flatnonzero((low[..., 3] > 0).any(1))) < np.ptp(
            np.flatnonzero((before[..., 3] > 0).any(1))
        )
        browser.until("location.hash.includes('a=0,30,1')")


def test_colours_are_those_of_contact_and_current_at_the_cursor(browser, run):
    with shown(browser, run, "a=0,90,1&k=contact"):
        pixels = picture(browser)
        middle = pixels[pixels.shape[0] // 2]
        on = np.flatnonzero(middle[:, 3] > 0)
        left, right = middle[on[len(on) // 8]], middle[on[-len(on) // 8]]
        assert left[2] > left[0]  # blue: contact
        assert right[0] > right[2]  # orange: void
        words = browser.js("document.querySelector('#interface svg').textContent")
        assert "void between" in words
        assert "x / µm" in words
        assert "z / µm (× " in words
    with shown(browser, run, "a=0,90,1&k=current&t=0"):
        grey = picture(browser)
        known = grey[grey[..., 3] > 0][:, :3].astype(int)
        assert np.ptp(known, axis=1).max() < 15  # nothing flowed before the first scan
        assert "No current before" in browser.js("document.querySelector('#interface .note').textContent")
        browser.js("document.activeElement.blur()")
        browser.key("ArrowRight")
        settled(browser)
        flowing = picture(browser)
        assert np.ptp(flowing[flowing[..., 3] > 0][:, :3].astype(int), axis=1).max() > 60


@pytest.mark.parametrize("width", [1280, 1920])
def test_nothing_is_cut_at(browser, run, width):
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
    )
    with shown(browser, run):
        for yaw in (-150, -35, 60):
            browser.js(f"location.hash = 'a={yaw},32,1'")
            settled(browser)
            cut = browser.js(
                "(() => { const b = document.querySelector('#interface .body').getBoundingClientRect();"
                "return [...document.querySelectorAll('#interface svg text')].filter(t => {"
                "const r = t.getBoundingClientRect();"
                "return r.left < b.left || r.right > b.right || r.top < b.top || r.bottom > b.bottom + 1; })"
                ".map(t => t.textContent); })()"
            )
            assert cut == []


def test_a_run_without_tomography_has_no_such_panel(browser, tmp_path):
    write_results(build(maps=3, points=False), tmp_path / "results.nxs")
    with Dashboard([RunData(tmp_path)], "127.0.0.1") as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        browser.open(server.url)
        browser.until("window.operando && document.querySelector('#map').dataset.ready")
        assert browser.js("document.querySelector('#interface').hidden")
        server.shutdown()


def test_the_report_holds_it_and_needs_nothing_else(browser, tmp_path):
    groups = surfaces()
    html = space.faces(groups["tomography/maps"], groups["tomography/current"])
    chapter = Chapter("t", "T", spaces=[html])
    page = f"<!doctype html><meta charset=utf-8>{chapter.spaces[0]}<script>{space.script()}</script>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    browser.open("about:blank")
    browser.events.clear()
    browser.open((tmp_path / "page.html").as_uri())
    browser.until("document.querySelector('figure.space')?.dataset.ready")
    browser.js("document.querySelector('.stage').focus()")
    for _ in range(12):
        browser.key("ArrowUp")
    for _ in range(7):
        browser.key("ArrowRight")
    settled(browser)
    across, down = highest(picture(browser, "figure.space canvas"))
    x, y = HILL["bottom"]
    assert across == pytest.approx((x - VOXEL) / ((SIDE - 2) * VOXEL), abs=0.05)
    assert down == pytest.approx(1 - y / ((SIDE - 1) * VOXEL), abs=0.05)
    assert "20 min" in browser.js("document.querySelector('figure.space .now').textContent")
    assert browser.complaints() == []
