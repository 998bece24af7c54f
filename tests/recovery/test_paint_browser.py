"""Painting in a real headless Chromium: strokes on slices, undo, eraser, prediction, suggestion, and what is kept."""

from __future__ import annotations

import json
import threading

import chromium
import numpy as np
import pytest
from dashboard_run import folder

pytest.importorskip("zarr")
pytest.importorskip("sklearn")
from operando.flow.segmentation_known import Scan, read_known
from operando.read.volume_file import open_volume
from operando.show.dashboard import Dashboard, RunData

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium on this machine")
SHAPE = (30, 40, 50)
STATE = "import('/static/paint.js').then((m) => { const f = m.forTests(); return { ...f, marks: f.marks }; })"


def volume(place, name: str) -> None:
    """Three layers along z of different grey, with noise."""
    import zarr

    layer = np.repeat([0.0, 1.0, 3.0], 10)[:, None, None]
    values = layer + 0.1 * np.random.default_rng(0).standard_normal(SHAPE)
    group = zarr.open_group(place / "volumes" / f"{name}.zarr", mode="w", zarr_format=3)
    array = group.create_array("attenuation", data=values.astype(np.float32), dimension_names=("z", "y", "x"))
    array.attrs.update({"voxel_um": 1.7, "units": "1/cm"})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place, _ = folder(tmp_path_factory.mktemp("paint") / "run")
    volume(place, "scan_0000")
    (place / "experiment.toml").write_text(
        'title = "t"\n[segmentation]\nphases = ["void", "lithium", "steel"]\n'
    )
    return place


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    with Dashboard([RunData(run)]) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        tab = chromium.Browser(tmp_path_factory.mktemp("profile"))
        tab.open(server.url)
        tab.until("document.querySelector('#paint') && document.querySelector('#paint').dataset.slice")
        tab.js("document.querySelector('#paint').scrollIntoView()")
        yield tab
        tab.close()
        server.shutdown()


def at(page, row: float, column: float) -> tuple[float, float]:
    """Where a voxel of the slice lies in the window."""
    box, view = page.box("#paint .body svg"), page.js(STATE)["view"]
    rows = SHAPE[0]
    y = view["y"] + view["scale"] * ((rows - row - 0.5) if view["up"] else row + 0.5)
    return box["x"] + view["x"] + (column + 0.5) * view["scale"], box["y"] + y


def press(page, what: str) -> None:
    page.js(f"document.querySelector('#paint [data-do={what}]').click()")


def move(page, query: str, value: int, kind: str = "input") -> None:
    box = f"document.querySelector('#paint {query}')"
    page.js(f"{box}.value = {value}; {box}.dispatchEvent(new Event('{kind}'))")


def choose(page, phase: str) -> None:
    page.js(
        f"[...document.querySelectorAll('.paint-phases button')].find((b) => b.textContent === '{phase}').click()"
    )


def saved(run) -> list[dict]:
    return json.loads((run / "painting" / "scan_0000.json").read_text())["strokes"]


def test_strokes_are_painted_kept_and_undone(page, run):
    assert not (run / "painting").exists()
    for phase, row in (("void", 4), ("lithium", 15), ("steel", 25)):
        choose(page, phase)
        page.drag(at(page, row, 5), at(page, row, 40))
    page.until("document.querySelector('#paint').dataset.saved === '3'")
    strokes = saved(run)
    assert [s["phase"] for s in strokes] == ["void", "lithium", "steel"]
    for stroke, row in zip(strokes, (4, 15, 25), strict=True):
        points = np.array(stroke["points"])
        assert stroke["across"] == "y"
        assert (points[:, 1] == 20).all()  # the middle slice
        assert abs(points[:, 0] - row).max() < 0.6
        assert abs(points[[0, -1], 2] - [5, 40]).max() < 0.6
    page.drag(at(page, 10, 10), at(page, 10, 20))
    page.until("document.querySelector('#paint').dataset.saved === '4'")
    press(page, "undo")
    page.until("document.querySelector('#paint').dataset.saved === '3'")
    assert saved(run) == strokes
    assert not list((run / "painting").glob(".*"))  # nothing half written


def test_what_the_page_shows_as_painted_is_what_is_learned_from(page, run):
    """The page's voxels of the slice against `paint_strokes`, eraser and brush included."""
    choose(page, "lithium")
    move(page, "input[name=radius]", 4)
    page.drag(at(page, 12, 8), at(page, 17.4, 33))
    press(page, "rub")
    page.drag(at(page, 13, 20), at(page, 18, 21))
    press(page, "rub")
    page.until("document.querySelector('#paint').dataset.saved === '5'")
    told = page.js(STATE)
    shown = np.array(told["marks"]).reshape(SHAPE[0], SHAPE[2])
    file = open_volume(run / "volumes" / "scan_0000.zarr")
    learned = np.zeros(SHAPE, np.uint8)
    for part in read_known(run / "painting" / "scan_0000.json", Scan(file, 1, 1.7, 0.0), None):
        learned[part.box] = part.labels
    np.testing.assert_array_equal(shown, learned[:, told["at"]])
    assert (shown == 2).sum() > 200
    assert not learned[:, :20].any()


def test_a_prediction_lies_over_the_slice_and_is_right(page, run):
    press(page, "train")
    page.until("document.querySelector('#paint').dataset.preview", timeout=90)
    tip = at(page, 27, 30)
    page.mouse("mouseMoved", *tip)
    assert "steel with" in page.js("document.querySelector('#paint .note').textContent")
    page.mouse("mouseMoved", *at(page, 2, 30))
    assert "void with" in page.js("document.querySelector('#paint .note').textContent")
    press(page, "suggest")
    page.until("document.querySelector('#paint .note').textContent.includes('1 of 6: is it')")
    page.until("!document.querySelector('#paint [data-do=suggest]').disabled")
    assert not page.complaints()


def test_other_slices_and_axes_and_the_address(page):
    move(page, "select[name=across]", 0, "change")
    page.until("document.querySelector('#paint').dataset.slice === '0,0,15'")
    move(page, "input[name=at]", 3)
    page.until("document.querySelector('#paint').dataset.slice === '0,0,3'")
    page.until("location.hash.includes('paint=0,0,3')")
    assert not page.complaints()


def test_suggestions_lie_where_the_quick_forest_is_unsure(run):
    from operando.flow.painting import Painting

    painting = Painting(run)
    painting.train(1)
    _, (label, _) = painting.preview(0, 1, 30)
    truth = np.repeat([0, 1, 2], 10)[:, None]
    assert (label == truth).mean() > 0.75  # three lines are painted
    places = painting.suggest(0, 1)["places"]
    assert len(places) == 6
    for place in places:
        _, (_, sure) = painting.preview(0, 1, place["slice"])
        assert sure[place["row"], place["column"]] < np.median(sure)
