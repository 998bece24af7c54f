"""The dashboard in a real headless Chromium: load, slide, click, brush, export, errors, and how long each takes."""

import base64
import os
import re
import threading
from contextlib import contextmanager
from statistics import median

import chromium
import numpy as np
import pytest
from dashboard_run import build, folder, weighted

from operando.flow.store import write_results
from operando.show.dashboard import Dashboard, RunData

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium on this machine")
READY = "window.operando && document.querySelector('#map').dataset.ready"
QUANTITY = "xrd/LCO003:c:perp"


@contextmanager
def served(*folders, host="127.0.0.1"):
    with Dashboard([RunData(one) for one in folders], host) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    tab = chromium.Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("dashboard") / "run")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("dashboard") / "other", shift=0.01)


def show(browser, server, state=""):
    browser.open("about:blank")
    browser.events.clear()
    browser.open(f"{server.url}#{state}")
    browser.until(READY)


def state(browser):
    settled(browser)
    return browser.js("operando.state")


def settled(browser):
    browser.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")


def cell(browser, row, column, rows=10, columns=7):
    """Where a point of the map is on the screen: z upwards, x to the right."""
    box = browser.box("#map canvas")
    return (
        box["x"] + (column + 0.5) / columns * box["width"],
        box["y"] + (rows - row - 0.5) / rows * box["height"],
    )


def saved(browser, panel, kind):
    """Press a save button; the bytes of the file and its name."""
    browser.js(
        "window.caught = null; window.made ??= URL.createObjectURL; HTMLAnchorElement.prototype.click = function () "
        "{ window.caught.name = this.download; };"
        "URL.createObjectURL = (blob) => { const reader = new FileReader(); window.caught = {};"
        "reader.onload = () => { window.caught.data = reader.result; }; reader.readAsDataURL(blob);"
        "return made.call(URL, blob); }"
    )
    browser.js(
        f"[...document.querySelectorAll('#{panel} .save button')].find(b => b.textContent === '{kind}').click()"
    )
    data = browser.until("window.caught && window.caught.data")
    return base64.b64decode(data.partition(",")[2]), browser.js("window.caught.name")


def table(browser, panel):
    text = saved(browser, panel, "csv")[0].decode()
    return [line.split(",") for line in text.splitlines()]


def test_a_run_is_shown_without_complaint_of_the_browser(browser, run):
    with served(run[0]) as server:
        show(browser, server)
        browser.until(
            "document.querySelector('#peak svg').innerHTML && document.querySelector('#image canvas')"
        )
        assert browser.js("document.querySelector('#title').textContent") == "A made-up charge"
        assert state(browser)["q"] == QUANTITY
        assert state(browser)["t"] == 150.0 + 300 * 7
        assert browser.complaints() == []
        assert browser.js("document.querySelector('#trouble').hidden")


def test_the_map_has_the_colours_of_its_values_and_hatching_where_there_is_none(browser, run):
    with served(run[0]) as server:
        show(browser, server, "t=150")
        drawn = browser.js(
            "(() => { const c = document.querySelector('#map canvas');"
            "const d = c.getContext('2d').getImageData(0, 0, 7, 10).data;"
            "return [...d]; })()"
        )
        pixels = np.array(drawn).reshape(10, 7, 4)[::-1]  # first row: smallest z
        assert pixels[2, 3, 3] == 0
        assert (pixels[..., 3] == 255).sum() == 69
        light = pixels[..., :3].sum(-1)
        assert light[9, 0] > light[0, 0]  # c rises with z, and cividis gets lighter


def test_slider_goes_to_the_map_nearest_the_pointer(browser, run):
    with served(run[0]) as server:
        show(browser, server, "t=150")
        grip, box = browser.box("#clock .cursor .grip"), browser.box("#clock .body svg")
        start = grip["x"] + grip["width"] / 2
        browser.js("operando.timings.length = 0")
        browser.drag((start, box["y"] + 60), (box["x"] + box["width"] - 130, box["y"] + 60))
        assert state(browser)["t"] == 150.0 + 300 * 7
        browser.drag((box["x"] + box["width"] - 130, box["y"] + 60), (start + 2, box["y"] + 60))
        assert state(browser)["t"] == 150.0


def test_a_click_tells_value_error_and_history_of_the_point(browser, run):
    folder_, results = run
    with served(folder_) as server:
        show(browser, server, "t=750")
        browser.click(*cell(browser, 7, 5))
        assert state(browser)["p"] == [7, 5]
        there = results.groups["xrd/LCO003"].isel(family=0, z=7, x=5)
        note = browser.js("document.querySelector('#map .note').textContent")
        assert f"{float(there['c'][2]):.3f}" in note
        rows = table(browser, "history")[1:]
        np.testing.assert_allclose([float(r[2]) for r in rows], there["c"].values, rtol=1e-6)
        np.testing.assert_allclose([float(r[3]) for r in rows], there["c_err"].values, rtol=1e-6)


def test_axes_have_two_marks_at_least_at_round_values(browser, run):
    with served(run[0]) as server:
        show(browser, server)
        found = browser.js(
            "import('/static/words.js').then(m => [[3.55, 4.37, 2], [0, 1, 1], [0.012, 0.019, 2], [-4e-6, 1e-6, 3], "
            "[99.9, 1000.2, 5]].map(([a, b, n]) => [a, b, m.ticks(a, b, n).at]))"
        )
    for low, high, at in found:
        steps = np.diff(at)
        assert 2 <= len(at) <= 8
        assert low - 1e-6 * (high - low) <= min(at) < max(at) <= high + 1e-6 * (high - low)
        np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
        lead = steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9)
        assert min(abs(lead - one) for one in (1, 2, 2.5, 5)) < 1e-6


def test_a_missing_point_says_why(browser, run):
    with served(run[0]) as server:
        show(browser, server)
        browser.click(*cell(browser, 2, 3))
        settled(browser)
        note = browser.js("document.querySelector('#map .note').textContent")
        assert "no valid value" in note
        assert "too few counts" in note


def test_quantities_are_named_in_words(browser, run):
    """No group, underscore or name of a variable that says nothing stands in the menu."""
    with served(run[0]) as server:
        show(browser, server)
        names = browser.js(
            "[...document.querySelectorAll('#map select[name=quantity] option')].map(o => o.textContent)"
        )
        assert "LCO003 c perp" in names
        assert not [name for name in names if "_" in name or "/" in name.replace(" / ", "")]
        made = browser.js(
            "import('/static/names.js').then((m) => ["
            "m.quantityName({group: 'tomography/maps', variable: 'lithium', labels: ['top']}), "
            "m.quantityName({group: 'xrd/A', variable: 'a', labels: ['all']}), m.groupName('xrd/A/phases')])"
        )
        assert made == ["lithium thickness top", "A a", "A, two peaks"]


def test_the_fitted_peak_lies_on_the_pattern_of_its_point(browser, run):
    with served(run[0]) as server:
        show(browser, server, "t=1050&p=6,4")
        browser.until("document.querySelector('#peak .note').textContent.includes('perp')")
        browser.until("document.querySelector('#pattern h2').textContent.includes('point')")
        settled(browser)
        ring = run[1].groups["xrd/LCO003"].isel(time=3, family=0, z=6, x=4)
        said = browser.js("document.querySelector('#peak .note').textContent")
        value, error = (float(v) for v in re.search(r"perp (\d\.\d+) ± (0\.\d+)", said).groups())
        assert value == pytest.approx(float(ring["q"]), abs=float(ring["q_err"]))
        assert error == pytest.approx(float(ring["q_err"]), rel=0.35)
        rows = table(browser, "peak")[1:]
        dots = np.array([[float(v) for v in r[1:]] for r in rows if r[0] == "pattern"])
        curve = np.array([[float(v) for v in r[1:]] for r in rows if r[0] == "fit perp"])
        inside = (dots[:, 0] > curve[0, 0]) & (dots[:, 0] < curve[-1, 0])
        np.testing.assert_allclose(
            np.interp(dots[inside, 0], *curve.T), dots[inside, 1], atol=0.02 * dots[:, 1].max()
        )


def test_a_brushed_region_is_averaged_with_its_weights(browser, run):
    folder_, results = run
    with served(folder_) as server:
        show(browser, server)
        browser.drag(cell(browser, 1, 1), cell(browser, 5, 4))
        assert state(browser)["r"] == [1, 5, 1, 4]
        mean, error = weighted(results, slice(1, 6), slice(1, 5))
        rows = table(browser, "history")[1:]
        np.testing.assert_allclose([float(r[2]) for r in rows], mean, rtol=1e-7)
        np.testing.assert_allclose([float(r[3]) for r in rows], error, rtol=1e-5)
        assert {int(r[5]) for r in rows} == {19}  # twenty points, one of them missing
        bars = browser.js(
            "[...document.querySelectorAll('#history path')].filter(p => p.getAttribute('stroke') === 'var(--warn)')"
            ".map(p => p.getAttribute('d'))"
        )
        tall = [float(part.split("v-")[1]) for part in bars[0].split("M")[1:]]
        np.testing.assert_allclose(tall, 10 / 20, atol=0.06)  # one point of twenty carries the flag


def test_keys_step_choose_and_clear(browser, run):
    with served(run[0]) as server:
        show(browser, server, "t=450&p=1,1")
        browser.key("ArrowRight")
        assert state(browser)["t"] == 750.0
        browser.key("ArrowLeft")
        browser.key("ArrowLeft")
        assert state(browser)["t"] == 150.0
        browser.key("ArrowDown")
        assert state(browser)["q"] == "xrd/LCO003:intensity"
        browser.key("ArrowUp")
        browser.key("Escape")
        assert state(browser)["q"] == QUANTITY
        assert state(browser)["p"] is None


def test_the_address_brings_a_colleague_to_the_same_view(browser, run):
    with served(run[0]) as server:
        show(browser, server, "t=450&p=7,5&m=change")
        browser.key("ArrowRight")
        address = browser.until("location.hash.includes('t=750') && location.href")
        before = table(browser, "map")
        show(browser, server, address.partition("#")[2])
        assert state(browser)["t"] == 750.0
        assert table(browser, "map") == before
        assert "change" in before[0][3]


def test_a_track_is_found_on_the_map(browser, run):
    with served(run[0]) as server:
        show(browser, server)
        browser.until("document.querySelector('#tracks .cursor')")
        browser.js("document.querySelector('#tracks').scrollIntoView()")
        at = browser.js(
            "(() => { const s = document.querySelector('#tracks svg'), b = s.getBoundingClientRect();"
            "const all = [...s.querySelectorAll('path')].map(p => p.getAttribute('d') || '');"
            "const d = all.filter(d => d.includes('h0'))[0];"
            "const [x, y] = d.slice(1).split('h')[0].split(' ').map(Number); return [b.x + x, b.y + y]; })()"
        )  # the first dot: of the unstable track, in the first map
        browser.click(*at)
        found = state(browser)
        assert found["g"] == 1
        assert (found["t"], found["p"]) == (150.0, [5, 4])
        assert browser.js("document.querySelectorAll('#map .grain.chosen').length") == 1


def test_two_runs_are_compared(browser, run, other):
    with served(run[0], other[0]) as server:
        show(browser, server, "t=450&m=difference&p=3,3")
        browser.until("document.querySelector('#other').textContent.includes('other')")
        browser.until("document.querySelector('#history .note').textContent.includes('Å')")
        rows = table(browser, "map")[1:]
        values = np.array([float(r[3]) for r in rows if r[3]])
        np.testing.assert_allclose(values, -0.01, atol=3e-6)
        assert len(values) == 69
        show(browser, server, "t=450&p=3,3")
        browser.until("document.querySelectorAll('#history .legend text').length === 2")


def test_every_panel_is_saved_as_picture_and_table(browser, run):
    from xml.etree import ElementTree

    with served(run[0]) as server:
        show(browser, server, "t=450&p=3,3")
        browser.until("document.querySelector('#tracks .cursor') && document.querySelector('#image canvas')")
        for panel in ("clock", "map", "pattern", "peak", "image", "history", "tracks"):
            picture, name = saved(browser, panel, "PNG")
            assert picture[:8] == b"\x89PNG\r\n\x1a\n"
            assert name == f"run-{panel}.png"
            assert len(picture) > 4000
            drawing = ElementTree.fromstring(saved(browser, panel, "SVG")[0])
            assert b"var(--" not in ElementTree.tostring(drawing)
            images = drawing.findall(".//{http://www.w3.org/2000/svg}image")
            assert len(images) == (panel in ("map", "image"))
            rows = table(browser, panel)
            assert len(rows) > 5
            assert len({len(row) for row in rows}) == 1
        assert browser.complaints() == []


def test_a_run_that_is_rewritten_refreshes_itself_and_follows_its_end(browser, tmp_path):
    place, _ = folder(tmp_path / "live", maps=4)
    with served(place) as server:
        show(browser, server, "p=3,3")
        assert state(browser)["t"] == 150.0 + 300 * 3
        write_results(build(maps=6), place / "results.nxs")
        browser.until("operando.state.t === 1650")
        browser.until(READY)
        assert len(table(browser, "history")) == 7
        assert state(browser)["p"] == [3, 3]
        assert "written" in browser.js("document.querySelector('#live').textContent")


def test_what_goes_wrong_is_said_on_the_page_and_goes_away(browser, tmp_path):
    place, _ = folder(tmp_path / "gone", maps=3)
    with served(place) as server:
        show(browser, server)
        kept = (place / "results.nxs").read_bytes()
        (place / "results.nxs").unlink()
        words = browser.until(
            "!document.querySelector('#trouble').hidden && document.querySelector('#trouble').textContent"
        )
        assert "no results here" in words
        (place / "partial").write_bytes(kept[: len(kept) // 2])
        os.replace(place / "partial", place / "results.nxs")
        browser.until("document.querySelector('#trouble').textContent.includes('damaged')")
        (place / "partial").write_bytes(kept)
        os.replace(place / "partial", place / "results.nxs")
        browser.until("document.querySelector('#trouble').hidden")


def test_without_its_token_the_page_is_a_clear_error(browser, run):
    with served(run[0], host="0.0.0.0") as server:
        browser.call("Network.clearBrowserCookies")
        browser.open(f"http://127.0.0.1:{server.port}/")
        browser.until("document.body && document.body.textContent.includes('token')")
        show_with = f"http://127.0.0.1:{server.port}/?token={server.token}"
        browser.open(show_with)
        browser.until(READY)


@pytest.mark.parametrize("width", [1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_or_overlaps(browser, run, width, scheme):
    with served(run[0]) as server:
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        browser.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        show(browser, server, "t=450&r=3,6,2,5")
        browser.until("document.querySelector('#tracks .cursor')")
        assert browser.js("document.documentElement.scrollWidth <= innerWidth")
        cut = browser.js(
            "[...document.querySelectorAll('.panel')].flatMap(p => { const b = p.getBoundingClientRect();"
            "return [...p.querySelectorAll('svg text')].filter(t => { const r = t.getBoundingClientRect();"
            "return r.width && (r.left < b.left || r.right > b.right || r.bottom > b.bottom + 1); })"
            ".map(t => p.id + ': ' + t.textContent); })"
        )
        assert cut == []
        ink, card = browser.js(
            "['--ink', '--card'].map(n => getComputedStyle(document.documentElement).getPropertyValue(n))"
        )
        assert (ink > card) == (scheme == "dark")  # light on dark, or the other way


def test_a_hundred_maps_answer_within_200_ms(browser, tmp_path):
    """From the event until the browser has painted, of 100 maps of 49 x 49 points: no lag that one could feel."""
    place, _ = folder(tmp_path / "big", maps=100, rows=49, columns=49, points=False)
    with served(place) as server:
        show(browser, server)
        browser.until("document.querySelector('#image canvas') && document.querySelector('#tracks .cursor')")
        box = browser.box("#clock .body svg")
        browser.js("operando.timings.length = 0")
        browser.drag((box["x"] + 80, box["y"] + 60), (box["x"] + 700, box["y"] + 60), steps=20)
        for i in range(8):
            browser.click(*cell(browser, 5 * i + 2, 6 * i + 1, 49, 49))
            settled(browser)
        browser.drag(cell(browser, 4, 4, 49, 49), cell(browser, 44, 44, 49, 49), steps=20)
        for name in ("ArrowLeft", "ArrowRight") * 5:
            browser.key(name)
            settled(browser)
        settled(browser)
        taken = browser.js("operando.timings")
    for kind in ("slide", "click", "brush", "keydown"):
        each = [one["ms"] for one in taken if one["kind"] == kind]
        assert len(each) >= 5, f"{kind}: {len(each)} were seen"
        assert median(each) < 200, f"{kind}: {sorted(each)}"
        print(kind, len(each), f"median {median(each):.0f} ms, worst {max(each):.0f} ms")  # noqa: T201
