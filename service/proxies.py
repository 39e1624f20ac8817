"""What proxies in front of the service say of a request: whose it is, how it came, and under which path.

Headers are believed where the operator says how many proxies there are, and then no further than that many entries from
their end: what stands before, a client may have written. Where two headers disagree, neither is believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from werkzeug.utils import redirect

from model.errors import SettingRefused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf'(?:[^,"]|{_QUOTED})+')
_PAIR = re.compile(rf'(?:^|;)\s*([^;=\s"]+)\s*=\s*({_QUOTED}|[^;,"\s]*)')
_ESCAPED = re.compile(r"\\(.)")
_WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([0-9.]+))(?::[0-9A-Za-z._-]*)?")
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")


class Proxied:
    """An application behind `proxies` trusted proxies, under the path `prefix` of theirs; "" is the root.

    A proxy may pass the path on as it came, or without the prefix. X-Forwarded-Prefix goes before `prefix`.
    """

    def __init__(self, app: WSGIApplication, proxies: int, prefix: str) -> None:
        self._app, self._proxies, self._prefix = app, proxies, prefix

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        prefix = self._prefix
        if self._proxies:
            hops = _forwarded(environ.get("HTTP_FORWARDED", ""))
            if address := self._client(environ, hops):
                environ["REMOTE_ADDR"] = str(address)
            if scheme := self._scheme(environ, hops):
                environ["wsgi.url_scheme"] = scheme
            prefix = _last_prefix(environ.get("HTTP_X_FORWARDED_PREFIX", "")) or prefix
        if prefix:
            environ["SCRIPT_NAME"] = prefix
            path = environ.get("PATH_INFO", "")
            if path == prefix:  # the page's own addresses begin where it is
                query = environ.get("QUERY_STRING", "")
                return redirect(f"{prefix}/{'?' if query else ''}{query}", 308)(environ, start_response)
            if path.startswith(f"{prefix}/"):
                environ["PATH_INFO"] = path[len(prefix) :]
        return self._app(environ, start_response)

    def _client(self, environ: WSGIEnvironment, hops: list[dict[str, str]]) -> IPv4Address | IPv6Address | None:
        told = environ.get("HTTP_X_FORWARDED_FOR")
        entries = [told.split(",")] if told else []
        entries += [[hop.get("for", "") for hop in hops]] if hops else []
        found = {parse_address(each[-self._proxies]) if len(each) >= self._proxies else None for each in entries}
        return found.pop() if len(found) == 1 else None

    def _scheme(self, environ: WSGIEnvironment, hops: list[dict[str, str]]) -> str | None:
        """Many a proxy writes one entry in the place of all: then that one counts."""
        told = environ.get("HTTP_X_FORWARDED_PROTO")
        entries = told.split(",") if told else [hop["proto"] for hop in hops if "proto" in hop]
        scheme = entries[-min(self._proxies, len(entries))].strip().lower() if entries else ""
        return scheme if scheme in ("http", "https") else None


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """With or without brackets, port and zone (RFC 7239, RFC 4007); one of IPv4 in IPv6's form as IPv4."""
    text = text.strip().strip('"')
    if with_port := _WITH_PORT.fullmatch(text):
        text = with_port[1] or with_port[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def parse_prefix(text: str) -> str:
    """As the setting has it. Raises SettingRefused."""
    prefix = f"/{text.strip('/')}" if text.strip("/") else ""
    if prefix and not _PREFIX.fullmatch(prefix):
        raise SettingRefused(f"CAPTION_URL_PREFIX must be a path like /captions, not '{text}'")
    return prefix


def _last_prefix(header: str) -> str:
    """Nothing of what is no path: //elsewhere.example would lead the page there."""
    prefix = header.rpartition(",")[2].strip().rstrip("/")
    return prefix if _PREFIX.fullmatch(prefix) else ""


def _forwarded(header: str) -> list[dict[str, str]]:
    """RFC 7239's elements, a proxy each, with their pairs."""
    return [
        {name.lower(): _ESCAPED.sub(r"\1", value.strip('"')) for name, value in _PAIR.findall(element)}
        for element in _ELEMENT.findall(header)
    ]
