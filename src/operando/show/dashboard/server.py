"""A small local server: the page and the data of its run folders, by GET only, and nothing else of this machine."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from operando.core.errors import InputError, OperandoError

from .admission import Admission, is_loopback
from .answers import ANSWERS, TAKES, Question
from .data import RunData

KINDS = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
         "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}  # fmt: skip
PAGE = files(__package__).joinpath("page")
#: what may be asked for below /static/: the files of the page as they were at the start, by their bare names
ASSETS = {
    one.name: KINDS[kind] for one in PAGE.iterdir()
    if (kind := one.name.rpartition(".")[2]) in KINDS and kind != "html"
}  # fmt: skip
#: the page loads nothing from elsewhere, and nobody else may frame it
GUARDS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}  # fmt: skip
LONGEST_ADDRESS = 4000
#: bytes that the page may send at once
MOST_SENT = 64_000_000


class Refused(OperandoError):
    """A request that this server does not answer."""

    def __init__(self, status: HTTPStatus, what: str, fix: str = "") -> None:
        super().__init__(what, fix=fix)
        self.status = status


class Dashboard(ThreadingHTTPServer):
    """Serves one run, or two to compare.

    host      anything but this machine's own loopback needs a token in the address, which is drawn here
    port      0 takes any free one. Raises `InputError` where the address cannot be listened on.
    """

    daemon_threads = True

    def __init__(self, runs: list[RunData], host: str = "127.0.0.1", port: int = 0) -> None:
        self.runs, self.host = runs, host
        self.token = "" if is_loopback(host) else secrets.token_urlsafe(24)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"cannot listen: {reason}", where=f"{host}:{port}",
                             fix="Choose another --port (0: any free one) or --host.") from None  # fmt: skip

    @property
    def port(self) -> int:
        """Port that is listened on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Address of the page, with the token where one is needed."""
        shown = socket.gethostname() if self.host in ("0.0.0.0", "::", "") else self.host
        named = f"[{shown}]" if ":" in shown else shown
        return f"http://{named}:{self.port}/" + (f"?token={self.token}" if self.token else "")

    @property
    def admission(self) -> Admission:
        """Who may ask."""
        return Admission(self.host, self.port, self.token)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away in the middle is no news."""


class Handler(BaseHTTPRequestHandler):
    """One request. Every failure is a status with one sentence, as JSON for the page and as a page for a person."""

    server: Dashboard
    server_version, sys_version = "operando", ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Answer a question."""
        self._guarded(lambda: self._answer(urlsplit(self.path)))

    def do_POST(self) -> None:
        """Take what the page sends, from this server's own page alone."""
        if self.path.partition("?")[0].removeprefix("/api/") not in TAKES:
            self._refuse_method()
        else:
            self._guarded(lambda: self._take(urlsplit(self.path)))

    def _guarded(self, answer: Callable[[], None]) -> None:
        try:
            self._check()
            answer()
        except Refused as refused:
            self._fail(refused.status, refused)
        except InputError as error:
            self._fail(HTTPStatus.NOT_FOUND, error)
        except OperandoError as error:
            self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, error)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:
            told = OperandoError(
                f"unexpected {type(error).__name__}", fix="This is a defect of operando; please report it."
            )
            self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, told)

    def _refuse_method(self) -> None:
        self.close_connection = True  # a body may follow that nobody will read
        self._fail(HTTPStatus.METHOD_NOT_ALLOWED, OperandoError("the dashboard only answers GET"))

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do_TRACE = do_CONNECT = _refuse_method

    def _check(self) -> None:
        if len(self.path) > LONGEST_ADDRESS:
            raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "the address is too long")
        if not self.server.admission.answers_to(self.headers.get("Host", "")):
            raise Refused(
                HTTPStatus.FORBIDDEN, "this server does not answer to that name",
                f"Open {self.server.url.partition('?')[0]} on the machine that runs it.",
            )  # fmt: skip
        if not self.server.admission.knows_token(self.path, self.headers):
            raise Refused(
                HTTPStatus.FORBIDDEN, "the address lacks its token",
                "Open the whole address that `operando show` printed.",
            )  # fmt: skip

    def _answer(self, address: Any) -> None:
        if address.path == "/":
            kept = f"{self.server.admission.cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
            more = {"Set-Cookie": kept} if self.server.token else {}
            return self._send(_asset("page.html"), KINDS["html"], more=more)
        place, _, name = address.path.lstrip("/").partition("/")
        if place == "static" and name in ASSETS:
            return self._send(_asset(name), ASSETS[name])
        if place == "api" and name in ANSWERS:
            asked = parse_qs(address.query, max_num_fields=20)
            about, arrays = ANSWERS[name](self.server.runs, Question(asked))
            return self._send_data(about, arrays)
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing at this address", "The dashboard is at /.")

    def _take(self, address: Any) -> None:
        """What the page sends (paint, for example), for the function that takes it; from no other page."""
        if not self.server.admission.is_own_page(self.headers):
            self.close_connection = True
            raise Refused(HTTPStatus.FORBIDDEN, "only the dashboard's own page may send anything")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 12 or int(length) > MOST_SENT:
            self.close_connection = True
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a page sends at most {MOST_SENT} bytes")
        sent = self.rfile.read(int(length))
        asked = Question(parse_qs(address.query, max_num_fields=20))
        self._send_data(*TAKES[address.path.removeprefix("/api/")](self.server.runs, asked, sent))

    def _send_data(self, about: dict[str, Any], arrays: list[np.ndarray] | None) -> None:
        """JSON; with arrays: length of the JSON (uint32), the JSON padded to 4 bytes, then the arrays' bytes."""
        head = json.dumps(about, allow_nan=False).encode()
        if arrays is None:
            return self._send(head, "application/json")
        head += b" " * (-len(head) % 4)
        parts = [np.uint32(len(head)).tobytes(), head, *(array.tobytes() for array in arrays)]
        return self._send(b"".join(parts), "application/octet-stream")

    def _send(
        self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, more: dict | None = None
    ) -> None:
        self.send_response(status)
        for key, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **GUARDS,
            **(more or {}),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _fail(self, status: HTTPStatus, error: OperandoError) -> None:
        told = {"what": error.what, "where": error.where, "fix": error.fix}
        more = {"Allow": "GET"} if status == HTTPStatus.METHOD_NOT_ALLOWED else {}
        try:
            if self.path.startswith("/api/"):
                self._send(json.dumps({"error": told}).encode(), "application/json", status, more)
            else:
                self._send(_error_page(told), KINDS["html"], status, more)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses before it reaches us (broken requests), in our words."""
        self.close_connection = True
        if not hasattr(self, "path"):
            self.path = "/"
        self._fail(HTTPStatus(code), OperandoError("this is no request that the dashboard understands"))

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _asset(name: str) -> bytes:
    return PAGE.joinpath(name).read_bytes()


def _error_page(told: dict[str, str]) -> bytes:
    from html import escape

    words = "".join(f"<p>{escape(told[key])}</p>" for key in ("where", "fix") if told[key])
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>operando</title>'
        f"<h1>{escape(told['what'][:1].upper() + told['what'][1:])}</h1>{words}</html>"
    ).encode()
