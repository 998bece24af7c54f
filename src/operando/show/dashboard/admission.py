"""Whom the dashboard answers: its own name, its token, and for what is sent its own page."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from dataclasses import dataclass
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Admission:
    """What a request must show. host: where the server listens; token: empty where none is asked for."""

    host: str
    port: int
    token: str

    def answers_to(self, host: str) -> bool:
        """Whether a Host header names this server: a page of a foreign name must not reach it (DNS rebinding)."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            port = urlsplit(f"//{host}").port or 80
        except ValueError:
            return False
        if port != self.port and not self.token:
            return False
        if is_loopback(name):
            return True
        if not self.token:
            return False
        known = {self.host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
        return name in known or _is_address(name)

    @property
    def cookie(self) -> str:
        """The cookie that stands for the token."""
        return f"operando_{self.port}"

    def knows_token(self, path: str, headers: Message) -> bool:
        """Whether the address or a cookie holds the token, where one is asked for."""
        if not self.token:
            return True
        asked = parse_qs(urlsplit(path).query).get("token", [""])[0]
        try:
            cookies = SimpleCookie(headers.get("Cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        kept = cookies[self.cookie].value if self.cookie in cookies else ""
        return any(hmac.compare_digest(one.encode(), self.token.encode()) for one in (asked, kept) if one)

    def is_own_page(self, headers: Message) -> bool:
        """Whether a page of this very server sends: browsers name the origin of everything that is sent."""
        origin = urlsplit(headers.get("Origin", ""))
        return origin.scheme in ("http", "https") and origin.netloc == headers.get("Host", "")


def is_loopback(host: str) -> bool:
    """Whether a host is this computer alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False
