"""Strokes that a page sends: what is kept, what is refused, and who may send them."""

from __future__ import annotations

import http.client
import json
import threading

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("zarr")
from operando.core.errors import InputError
from operando.flow.painting import Painting
from operando.flow.results import Results
from operando.flow.store import write_results
from operando.show.dashboard import Dashboard, RunData

GOOD = {"phases": ["void", "lithium"], "strokes": [
    {"phase": "void", "points": [[1, 2, 3], [1, 2, 7.25]], "radius_vox": 1, "across": "z"},
    {"phase": None, "points": [[1, 2, 3]], "radius_vox": 0.5, "across": "y"},
]}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    import zarr

    folder = tmp_path / "run"
    group = zarr.open_group(folder / "volumes" / "scan_0000.zarr", mode="w", zarr_format=3)
    values = np.arange(8 * 9 * 10, dtype=np.float32).reshape(8, 9, 10)
    values[0, 0, 0] = np.nan
    group.create_array("attenuation", data=values).attrs["voxel_um"] = 2.0
    zarr.open_group(folder / "volumes" / "scan_0000_half_0.zarr", mode="w", zarr_format=3)
    return folder


def sent(**other) -> bytes:
    return json.dumps(GOOD | other).encode()


def test_strokes_are_kept_whole_and_come_back(run):
    painting = Painting(run)
    assert painting.save(0, sent()) == {"saved": "painting/scan_0000.json", "strokes": 2}
    about = painting.about()
    assert [v["name"] for v in about["volumes"]] == ["scan_0000"]
    assert about["phases"] == ["void", "lithium"]
    assert about["volumes"][0]["strokes"] == GOOD["strokes"]
    told = json.loads((run / "painting" / "scan_0000.json").read_text())
    assert told["shape"] == [8, 9, 10]
    assert told["voxel_um"] == 2.0
    assert [p.name for p in (run / "painting").iterdir()] == ["scan_0000.json"]


def test_slices_are_those_of_the_volume(run):
    told, values = Painting(run).slice(0, 2, 4)
    assert told["shape"] == [8, 9]
    grey = told["low"] + (values - 1.0) / 65534 * (told["high"] - told["low"])
    exact = np.arange(720.0).reshape(8, 9, 10)[..., 4]
    np.testing.assert_allclose(grey, np.clip(exact, told["low"], told["high"]), atol=0.02)
    assert Painting(run).slice(0, 2, 0)[1][0, 0] == 0  # no number


@pytest.mark.parametrize("wrong", [
    b"no json", b"[]", b"{}", sent(phases=["void", "void"]), sent(phases="void"), sent(phases=[""]),
    sent(phases=["x" * 99]),
    sent(strokes=[{"phase": "steel", "points": [[1, 2, 3]], "radius_vox": 1}]),
    sent(strokes=[{"phase": "void", "points": [[1, 2, 99]], "radius_vox": 1}]),
    sent(strokes=[{"phase": "void", "points": [[1, 2]], "radius_vox": 1}]),
    sent(strokes=[{"phase": "void", "points": [], "radius_vox": 1}]),
    sent(strokes=[{"phase": "void", "points": [[1, 2, 3]], "radius_vox": 1e9}]),
    sent(strokes=[{"phase": "void", "points": [[1, 2, 3]], "radius_vox": 1, "across": "t"}]),
    sent(strokes=[{"phase": "void", "points": [[1, 2, 3]], "radius_vox": float("nan")}]),
    sent(strokes=[{"phase": "void", "points": [[0, 0, 0]] * 5000, "radius_vox": 1}]),
])  # fmt: skip
def test_what_is_no_strokes_is_refused_and_nothing_changes(run, wrong):
    painting = Painting(run)
    painting.save(0, sent())
    before = (run / "painting" / "scan_0000.json").read_bytes()
    with pytest.raises(InputError, match="no strokes"):
        painting.save(0, wrong)
    assert (run / "painting" / "scan_0000.json").read_bytes() == before
    assert len(list((run / "painting").iterdir())) == 1


def test_links_lead_nowhere(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (run / "painting").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        Painting(run).save(0, sent())
    (run / "volumes" / "other.zarr").symlink_to(run / "volumes" / "scan_0000.zarr")
    assert [p.name for p in Painting(run).paths()] == ["scan_0000.zarr"]
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(("volume", "axis", "at"), [(1, 0, 0), (-1, 0, 0), (0, 3, 0), (0, 0, 8), (0, 0, -1)])
def test_there_is_no_such_slice(run, volume, axis, at):
    with pytest.raises(InputError, match="there is no"):
        Painting(run).slice(volume, axis, at)


@pytest.fixture
def server(run):
    write_results(
        Results("painted", {}, {"echem": xr.Dataset({"time": ("record", [0.0, 1.0])})}), run / "results.nxs"
    )
    with Dashboard([RunData(run)]) as one:
        threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield one
        one.shutdown()


def post(server, path: str, body: bytes, **headers) -> tuple[int, dict]:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    link.request("POST", path, body, headers)
    answer = link.getresponse()
    return answer.status, json.loads(answer.read())


def test_only_the_own_page_may_send(server, run):
    path, own = "/api/strokes?run=0&volume=0", f"http://127.0.0.1:{server.port}"
    for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": own + "1"}):
        status, _ = post(server, path, sent(), **origin)
        assert status == 403
    assert not (run / "painting").exists()
    assert post(server, path, sent(), Origin=own) == (200, {"saved": "painting/scan_0000.json", "strokes": 2})
    status, told = post(server, path, b"{}", Origin=own)
    assert status == 404
    assert "no strokes" in told["error"]["what"]
    status, told = post(server, "/api/train?run=0&axis=0", b"", Origin=own)
    assert status in (200, 404)  # one phase is painted
    assert "two classes" in json.dumps(told)
    assert post(server, "/api/slice?run=0&volume=0&axis=0&at=0", b"", Origin=own)[0] == 405
