"""What proxies say of a request: whose it is, under which path it came. Believed as far as the operator says."""

import socket
from itertools import product

import pytest
from flask import Flask, jsonify, request, url_for

from benchmarks.server import running_server
from model.errors import SettingRefused
from service import access
from service.observability import request_log
from service.settings import Settings
from tests.conftest import wait_until
from tests.hostile.shapes import answer_to

BAD_PREFIXES = ("//evil.example", "https://evil.example", "/..", "", "/", "/a b", "/a?b", "/a//b", "captions", "é")
STRAY = ("SCRIPT_NAME", "Script-Name", "script_name", "PATH_INFO", "X-Script-Name", "X_FORWARDED_FOR")


def app(**settings):
    """One that tells how a request reached it."""
    app = Flask("told")
    request_log.register(app)
    access.register(app, Settings(**settings))

    @app.route("/", methods=["GET", "POST"])
    @app.route("/deep/path", methods=["GET", "POST"])
    def told():
        own = url_for("static", filename="a.js").removesuffix("static/a.js")
        return jsonify(client=request.remote_addr, scheme=request.scheme, path=request.path, own=own)

    return app.test_client()


def told(proxies=1, peer="10.0.0.1", path="/", prefix="", **headers):
    client = app(trusted_proxies=proxies, url_prefix=prefix)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(path, headers=named, environ_base={"REMOTE_ADDR": peer}).json


@pytest.mark.parametrize(
    ("entry", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        (" 192.0.2.7:4711 ", "192.0.2.7"),
        ('"192.0.2.7:4711"', "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ('"[2001:db8::7]:4711"', "2001:db8::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("[fe80::7%25eth0]:4711", "fe80::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:4711", "192.0.2.7"),
        *((bad, "10.0.0.1") for bad in ("", "unknown", "_hidden", "192.0.2.999", "192.0.2", "[", "[]:1", "a.example")),
        *((bad, "10.0.0.1") for bad in ("127.1", "0x7f000001", "1" * 4000, "[192.0.2.7", "\t", "192.0.2.7/24")),
    ],
)
def test_addresses_in_every_form(entry, client):
    assert told(X_Forwarded_For=entry)["client"] == client
    assert told(X_Forwarded_For=f"203.0.113.9, {entry}")["client"] == client  # the client wrote the first
    if entry.startswith('"') or ":" not in entry:
        assert told(Forwarded=f"for={entry}")["client"] == client
        assert told(Forwarded=f"for=203.0.113.9, For={entry};proto=https")["client"] == client


@pytest.mark.parametrize(
    ("proxies", "headers", "client"),
    [
        (0, {"X_Forwarded_For": "192.0.2.7"}, "10.0.0.1"),
        (0, {"Forwarded": "for=192.0.2.7"}, "10.0.0.1"),
        (2, {"X_Forwarded_For": "203.0.113.9, 192.0.2.7, 10.0.0.2"}, "192.0.2.7"),
        (2, {"X_Forwarded_For": "203.0.113.9,192.0.2.7:80,[2001:db8::2]:80"}, "192.0.2.7"),
        (2, {"X_Forwarded_For": "192.0.2.7"}, "10.0.0.1"),  # who comes past a proxy
        (3, {"Forwarded": 'for=192.0.2.7, for="[2001:db8::2]:80";by=_a, for=10.0.0.2'}, "192.0.2.7"),
        (2, {"Forwarded": 'for="_a, for=192.0.2.1", for=192.0.2.7;host="a,b;c", for=10.0.0.2'}, "192.0.2.7"),
        (1, {"Forwarded": 'for="203.0.113.9, for=192.0.2.7'}, "192.0.2.7"),  # a client's quote without its end
        (1, {"X_Forwarded_For": "192.0.2.7", "Forwarded": "for=192.0.2.7"}, "192.0.2.7"),
        (1, {"X_Forwarded_For": "192.0.2.7", "Forwarded": "for=203.0.113.9"}, "10.0.0.1"),  # one is the client's own
        (1, {"X_Forwarded_For": "203.0.113.9", "Forwarded": "for=unknown"}, "10.0.0.1"),
        (1, {"Forwarded": "proto=https;by=10.0.0.2"}, "10.0.0.1"),
        (1, {"Forwarded": "a" * 8000}, "10.0.0.1"),
        (1, {"Forwarded": "for=a;" * 1300}, "10.0.0.1"),
        (1, {"Forwarded": r'for="\[2001:db8::7\]:80"'}, "2001:db8::7"),
        (1, {"Forwarded": 'FOR = "192.0.2.7" ; x_for=203.0.113.9;x="for=203.0.113.9;for=203.0.113.9"'}, "192.0.2.7"),
        (1, {"X_Real_IP": "203.0.113.9", "X_Client_IP": "203.0.113.9"}, "10.0.0.1"),
    ],
)
def test_as_many_hops_as_are_trusted(proxies, headers, client):
    assert told(proxies, **headers)["client"] == client


@pytest.mark.parametrize(
    ("proxies", "headers", "scheme"),
    [
        (0, {"X_Forwarded_Proto": "https"}, "http"),
        (1, {"X_Forwarded_Proto": "https"}, "https"),
        (2, {"X_Forwarded_Proto": "https"}, "https"),  # written by each proxy in the place of what was there
        (1, {"X_Forwarded_Proto": "https, http"}, "http"),
        (1, {"X_Forwarded_Proto": "gopher"}, "http"),
        (1, {"Forwarded": "for=192.0.2.7;proto=https"}, "https"),
    ],
)
def test_the_scheme(proxies, headers, scheme):
    assert told(proxies, **headers)["scheme"] == scheme


def test_one_client_is_counted_as_one_whatever_its_port():
    client = app(trusted_proxies=1, rate_limit="1/minute")
    for first, second in (
        ("192.0.2.7:1", "192.0.2.7:2"),
        ("[2001:db8::7]:1", "2001:db8::8"),
        ("fe80::1%a", "fe80::1%b"),
    ):
        statuses = [client.post("/", headers={"X-Forwarded-For": entry}).status_code for entry in (first, second)]
        assert statuses == [200, 429], (first, second)


@pytest.mark.parametrize(
    ("proxies", "prefix", "headers", "path", "own", "seen"),
    [
        (0, "", {}, "/deep/path", "/", "/deep/path"),
        (0, "/captions", {}, "/captions/deep/path", "/captions/", "/deep/path"),
        (0, "captions/", {}, "/deep/path", "/captions/", "/deep/path"),  # taken off by the proxy
        (0, "/a/b.c", {}, "/a/b.c/deep/path", "/a/b.c/", "/deep/path"),
        (0, "", {"X_Forwarded_Prefix": "/captions"}, "/", "/", "/"),
        (1, "", {"X_Forwarded_Prefix": "/captions"}, "/deep/path", "/captions/", "/deep/path"),
        (1, "", {"X_Forwarded_Prefix": "/captions/"}, "/captions/", "/captions/", "/"),
        (1, "/b", {"X_Forwarded_Prefix": "/a"}, "/a/deep/path", "/a/", "/deep/path"),
        (1, "", {"X_Forwarded_Prefix": "/x, /captions"}, "/", "/captions/", "/"),
        *((1, "", {"X_Forwarded_Prefix": bad}, "/", "/", "/") for bad in BAD_PREFIXES),
        (1, "", {"Script_Name": "/captions"}, "/", "/", "/"),
    ],
)
def test_under_a_path(proxies, prefix, headers, path, own, seen):
    found = told(proxies, prefix=prefix, path=path, **headers)
    assert (found["own"], found["path"]) == (own, seen)


def test_the_page_is_shown_where_its_own_addresses_begin():
    moved = app(url_prefix="/captions").get("/captions?beam_size=5")
    assert moved.status_code == 308 and moved.headers["Location"] == "/captions/?beam_size=5"


@pytest.mark.parametrize("prefix", ["/a b", "https://evil.example", "/..", "/a?b", "/a//b"])
def test_prefixes_that_are_refused(prefix):
    with pytest.raises(SettingRefused, match="CAPTION_URL_PREFIX"):
        app(url_prefix=prefix)


@pytest.fixture(scope="module")
def under_path(tmp_path_factory):
    """As gunicorn itself is told. Nothing is captioned: that the model is there is not waited for."""
    command = ("-m", "gunicorn", "--env", "SCRIPT_NAME=/captions", "app:app")
    with running_server(tmp_path_factory.mktemp("path"), command) as server:
        wait_until(lambda: "Booting worker" in server.log.read_text())
        yield server


def ask(server, path, header=""):
    request = f"GET {path} HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n{header}\r\n"
    return answer_to(server.port, request.encode())


@pytest.mark.parametrize("path", ["/captions/health", "/health"])
def test_stray_headers_do_no_harm(under_path, path):
    for name, value in product(STRAY, ("/elsewhere", "", "captions", "//evil.example")):
        status, body = ask(under_path, path, f"{name}: {value}\r\n")
        assert (status, body["status"]) in ((200, "healthy"), (503, "starting")), (name, value)


def test_the_api_s_description_tells_where_it_is(under_path):
    for path in ("/captions/openapi.json", "/openapi.json"):
        status, api = ask(under_path, path)
        assert status == 200 and api["servers"] == [{"url": "/captions"}]
        [sample] = api["paths"]["/predict"]["post"]["x-codeSamples"]
        assert "http://h:1/captions/predict" in sample["source"]


def test_the_bare_prefix_leads_to_the_page(under_path):
    with socket.create_connection(("127.0.0.1", under_path.port)) as client:
        client.sendall(b"GET /captions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 308") and b"Location: /captions/\r\n" in answer
