"""The report on paper: light where the screen is dark, without what only a screen can use."""

import base64

import chromium
import pytest
from dashboard_run import folder

from operando.flow import read_results
from operando.show import write_report

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium on this machine")
SHOWN = """(query) => [...document.querySelectorAll(query)].filter(e => e.checkVisibility({contentVisibilityAuto: true})
  && e.getBoundingClientRect().height > 0).length"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("print")
    run, *_ = folder(place / "run")
    written = write_report(read_results(run / "results.nxs"), place / "report.html")
    tab = chromium.Browser(tmp_path_factory.mktemp("profile"), dark=True)
    tab.open(written.as_uri())
    tab.until("document.readyState === 'complete' && document.querySelectorAll('figure').length > 2")
    yield tab
    tab.close()


def media(page, name):
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.call("Emulation.setEmulatedMedia", media=name, features=[dark])


def shown(page, query):
    return page.js(f"({SHOWN})({query!r})")


def test_paper_is_white_and_holds_no_buttons(page):
    media(page, "screen")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.js(colour) != "rgb(255, 255, 255)"
    assert shown(page, ".save") > 0
    media(page, "print")
    assert page.js(colour) == "rgb(255, 255, 255)"
    ink = page.js("getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")
    assert max(ink) < 60
    for query in (".save", "nav", ".space select"):
        assert shown(page, query) == 0, query
    lines = page.js("[...document.querySelectorAll('.plot svg text')].map(t => getComputedStyle(t).fill)")
    assert all(min(map(int, fill[4:-1].split(","))) < 160 for fill in set(lines) if fill.startswith("rgb("))


def test_what_is_folded_is_printed_but_for_long_lists(page):
    media(page, "print")
    page.js("dispatchEvent(new Event('beforeprint'))")
    assert shown(page, "details.apart table") == 0
    assert (
        shown(page, "details.apart summary")
        == page.js("document.querySelectorAll('details.apart').length")
        > 0
    )
    folded = "details:not(.apart) pre"
    assert shown(page, folded) == page.js(f"document.querySelectorAll('{folded}').length") > 0


def test_no_figure_is_wider_than_the_paper(page):
    media(page, "print")
    page.call("Emulation.setDeviceMetricsOverride", width=680, height=962, deviceScaleFactor=1, mobile=False)
    wide = page.js(
        "Math.max(...[...document.querySelectorAll('figure svg, table')].map(e => e.getBoundingClientRect().right))"
    )
    assert wide <= 681  # 180 mm at 96 pixels an inch
    told = page.call("Page.printToPDF", preferCSSPageSize=True, timeout=120)
    assert base64.b64decode(told["data"])[:5] == b"%PDF-"
