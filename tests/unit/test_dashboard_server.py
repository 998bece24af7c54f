"""The dashboard's server: who may ask what, and that nothing else of the machine is told."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import h5py
import numpy as np
import pytest
from synthetic_results import build

from operando.core.errors import InputError
from operando.flow.results import Results
from operando.flow.store import write_results
from operando.show.dashboard import Dashboard, RunData


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("dashboard") / "run"
    place.mkdir()
    made = build(maps=5, rows=9, columns=4)
    write_results(Results(made.title, made.experiment, made.groups, notes=made.notes), place / "results.nxs")
    (place / "secret.txt").write_text("not for the page")
    (place.parent / "above.txt").write_text("nor this")
    return place


def start(server):
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def server(folder):
    with Dashboard([RunData(folder)]) as made:
        yield start(made)
        made.shutdown()


@pytest.fixture(scope="module")
def guarded(folder):
    with Dashboard([RunData(folder)], "0.0.0.0") as made:
        yield start(made)
        made.shutdown()


def ask(server, path, method="GET", sent=None, **headers):
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    link.request(method, path, sent, headers={"Host": f"127.0.0.1:{server.port}", **headers})
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer, body


def raw(server, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        link.sendall(text)
        link.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: link.recv(65536), b""))


def arrays(body):
    size = int(np.frombuffer(body, "u4", 1)[0])
    return json.loads(body[4 : 4 + size]), body[4 + size :]


def test_the_page_loads_nothing_from_elsewhere(server):
    from operando.show.dashboard.server import ASSETS

    for path in ("/", *(f"/static/{name}" for name in ASSETS)):
        answer, body = ask(server, path)
        assert answer.status == 200
        text = body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_every_script_that_a_script_imports_is_served(server):
    import re

    from operando.show.dashboard.server import ASSETS

    for name in ASSETS:
        _, body = ask(server, f"/static/{name}")
        for wanted in re.findall(r'from "\./([^"]+)"', body.decode()):
            assert wanted in ASSETS


@pytest.mark.parametrize("path", [
    "/secret.txt", "/results.nxs", "/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/server.py",
    "/../above.txt", "/..%2f..%2fetc/passwd", "//etc/passwd", "/static//etc/passwd", "/static/", "/api/", "/api/secret",
    "/api/../static/page.js", "/static/page.js%00", "/static/server.py", "/static/__init__.py", "\\..\\above.txt",
])  # fmt: skip
def test_only_what_is_listed_is_served(server, path):
    answer, body = ask(server, path)
    assert answer.status == 404
    for text in (b"not for the page", b"nor this", b"root:", b"import "):
        assert text not in body


@pytest.mark.parametrize("question", [
    "maps?run=0&name=../../secret.txt", "maps?run=0&name=", "maps?run=7&name=xrd", "maps?run=-1&name=xrd", "maps?run=0",
    "maps?run=x&name=y", "maps?run=٣&name=y",
    "array?run=0&group=..&variable=record", "array?run=0&group=echem&variable=time",
    "array?run=0&group=xrd/pattern&variable=../../record", "array?run=0&group=/entry&variable=title",
    "peak?run=0&ring=LCO003&row=99&column=0", "peak?run=0&ring=LCO003&row=-1&column=0", "tracks?run=0",
    "pattern?run=0&step=0&row0=0&row1=0&column0=0&column1=0", "run?run=99999999999999999999", "run", "state/x",
])  # fmt: skip
def test_a_wrong_question_gets_one_clear_sentence(server, question):
    from urllib.parse import quote

    answer, body = ask(server, f"/api/{quote(question, safe='/?&=.:')}")
    assert answer.status == 404
    told = json.loads(body)["error"]
    assert told["what"]
    assert "Traceback" not in body.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_only_get_is_answered(server, method):
    answer, body = ask(server, "/api/state", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"
    assert b"version" not in body


def test_what_its_own_page_sends_is_taken_and_nothing_from_elsewhere(server, guarded, monkeypatch):
    from operando.show.dashboard import answers

    taken = []

    def take(runs, asked, sent):
        taken.append((len(runs), asked.number("class"), sent))
        return {"bytes": len(sent)}, None

    monkeypatch.setitem(answers.TAKES, "paint", take)
    path, here = "/api/paint?class=3", f"http://127.0.0.1:{server.port}"
    answer, body = ask(server, path, "POST", b"\x00\x01", Origin=here)
    assert (answer.status, json.loads(body)) == (200, {"bytes": 2})
    assert taken == [(1, 3, b"\x00\x01")]
    foreign = [
        "http://evil.example",
        "null",
        "",
        f"http://localhost:{server.port + 1}",
        f"{here}.evil.example",
    ]
    for origin in foreign:
        assert ask(server, path, "POST", b"\x00", Origin=origin)[0].status == 403
    assert (
        ask(server, path, "POST", b"\x00", Origin="http://evil.example", Host="evil.example")[0].status == 403
    )
    for length in ("64000001", "9" * 5000, "-1", "x"):
        sent = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {here}\r\nContent-Length: {length}"
        assert b" 413 " in raw(server, f"{sent}\r\n\r\n".encode()).partition(b"\r\n")[0]
    there = f"http://127.0.0.1:{guarded.port}"
    assert ask(guarded, path, "POST", b"\x00", Origin=there)[0].status == 403  # no token
    assert len(taken) == 1
    assert ask(guarded, f"{path}&token={guarded.token}", "POST", b"\x00", Origin=there)[0].status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost:1",
                                  "", "localhost.:{port}@evil", "[::1", "192.168.1.7:{port}"])  # fmt: skip
def test_a_foreign_name_is_refused(server, host):
    answer, body = ask(server, "/api/state", Host=host.format(port=server.port))
    assert answer.status == 403
    assert b"version" not in body


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}"])
def test_its_own_names_are_answered(server, host):
    assert ask(server, "/api/state", Host=host.format(port=server.port))[0].status == 200


def test_other_hosts_need_the_token_for_everything(guarded):
    assert len(guarded.token) >= 32
    for path in (
        "/",
        "/static/page.js",
        "/api/state",
        "/api/run?run=0",
        "/?token=",
        "/?token=wrong",
        "/?token=%ff",
    ):
        answer, body = ask(guarded, path)
        assert answer.status == 403
        assert guarded.token.encode() not in body
        assert answer.headers["Set-Cookie"] is None
    answer, _ = ask(guarded, f"/?token={guarded.token}")
    cookie = answer.headers["Set-Cookie"]
    assert answer.status == 200
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    for path in ("/static/page.js", "/api/state"):
        assert ask(guarded, path, Cookie=cookie.partition(";")[0])[0].status == 200
    assert ask(guarded, "/api/state", Cookie=f"operando_{guarded.port}=wrong")[0].status == 403
    assert ask(guarded, "/api/state", Cookie=";;=\x7f,")[0].status == 403
    assert ask(guarded, f"/?token={guarded.token}", Host="evil.example")[0].status == 403


def test_loopback_needs_no_token_and_its_address_shows_none(server, guarded):
    assert server.token == ""
    assert server.url == f"http://127.0.0.1:{server.port}/"
    assert guarded.url.endswith(f"?token={guarded.token}")


@pytest.mark.parametrize("text", [
    b"GET\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"BREW / HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    b"GET http://[ HTTP/1.1\r\n\r\n",
])  # fmt: skip
def test_broken_requests_end_without_a_traceback(server, text, capfd):
    answer = raw(server, text)
    assert b"Traceback" not in answer
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert ask(server, "/api/state")[0].status == 200
    assert capfd.readouterr().err == ""


def test_answers_are_the_numbers_of_the_file(server, folder):
    overview = json.loads(ask(server, "/api/run?run=0")[1])
    names = [quantity["name"] for quantity in overview["quantities"]]
    assert {"xrd/LCO003:c:perp", "xrd/LCO003:c:par", "xrd:transmission", "xrd/LCO003:intensity"} <= set(names)
    assert not any("_err" in name or name.endswith("flag") for name in names)
    about, body = arrays(ask(server, "/api/maps?run=0&name=xrd/LCO003:c:par")[1])
    steps, rows, columns = about["shape"]
    n = steps * rows * columns
    with h5py.File(folder / "results.nxs") as file:
        group = file["entry/xrd/LCO003"]
        for name, kind, at in (("c", "f4", 0), ("c_err", "f4", 4 * n), ("flag", "u2", 8 * n)):
            sent = np.frombuffer(body, kind, n, at).reshape(steps, rows, columns)
            np.testing.assert_array_equal(sent, group[name][1].astype(kind))
    assert len(body) == 10 * n


def test_a_port_that_is_taken_is_one_clear_error(server, folder):
    with pytest.raises(InputError, match="cannot listen"):
        Dashboard([RunData(folder)], port=server.port)
    with pytest.raises(InputError, match="cannot listen"):
        Dashboard([RunData(folder)], host="no.such.host.invalid")


def test_the_command_serves_until_it_is_stopped(folder):
    command = [sys.executable, "-m", "operando", "show", str(folder), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}api/state", timeout=20) as answer:
            assert json.loads(answer.read())["runs"][0]["folder"] == "run"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert said == ""
