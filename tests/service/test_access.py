"""The key, other sites' pages, requests a minute and proxies: on a real server, and their settings."""

import pytest
import requests
from flask import Flask

from benchmarks.server import running_server
from model.errors import SettingRefused
from service import access
from service.observability import request_log
from service.settings import Settings
from tests.pictures import drawn, encoded

GOOD = encoded(drawn(64, 64), "JPEG")
KEY = "a-key-for-tests"
SITE = "https://site.example"
PER_MINUTE = 4


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    settings = {
        "CAPTION_API_KEY": KEY,
        "CAPTION_CORS_ORIGINS": f"{SITE}, https://other.example:8443",
        "CAPTION_RATE_LIMIT": f"{PER_MINUTE}/minute",
        "CAPTION_TRUSTED_PROXIES": "1",
    }
    with running_server(tmp_path_factory.mktemp("guarded"), **settings) as server:
        server.wait_until_healthy()
        yield server


def predict(server, address, **headers):
    """As a proxy would pass it on for the client at `address`."""
    headers = {"X-Forwarded-For": address, "X-API-Key": KEY} | headers
    form = {"include_image": "false"}
    return requests.post(server.url + "/predict", files={"image": GOOD}, data=form, headers=headers, timeout=60)


@pytest.mark.parametrize("headers", [{"X-API-Key": KEY}, {"X-API-Key": "", "Authorization": f"Bearer {KEY}"}])
def test_with_the_key(guarded, headers):
    assert predict(guarded, "192.0.2.1", **headers).status_code == 200


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("192.0.2.101", {"X-API-Key": ""}),
        ("192.0.2.102", {"X-API-Key": KEY[:-1]}),
        ("192.0.2.103", {"X-API-Key": KEY + "x"}),
        ("192.0.2.104", {"X-API-Key": "schlüssel".encode().decode("latin-1")}),
        ("192.0.2.105", {"Authorization": "Bearer wrong"}),  # not a second try beside the right one
        ("192.0.2.106", {"X-API-Key": "", "Authorization": f"Basic {KEY}"}),
        ("192.0.2.107", {"X-API-Key": "", "Authorization": "Bearer"}),
    ],
)
def test_without_it(guarded, address, headers):
    answer = predict(guarded, address, **headers)
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "unauthorized" and KEY not in answer.text + guarded.log.read_text()


def test_what_is_open_and_what_is_not(guarded):
    for path in ("/", "/static/app.js", "/health", "/info", "/openapi.json", "/docs"):
        assert requests.get(guarded.url + path, timeout=10).status_code == 200, path
    assert requests.get(guarded.url + "/metrics", timeout=10).status_code == 401
    assert requests.get(guarded.url + "/metrics", headers={"X-API-Key": KEY}, timeout=10).status_code == 200
    assert requests.get(guarded.url + "/nothing", timeout=10).status_code == 404
    assert requests.get(guarded.url + "/predict", timeout=10).status_code == 405


def test_so_many_a_minute_from_one_address(guarded):
    statuses = [predict(guarded, "192.0.2.10").status_code for _ in range(PER_MINUTE + 1)]
    assert statuses == [200] * PER_MINUTE + [429]
    refused = predict(guarded, "192.0.2.10", **{"X-API-Key": "guessed"})  # guesses are counted, and told nothing
    assert refused.status_code == 429 and refused.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert predict(guarded, "192.0.2.11").status_code == 200
    assert requests.get(guarded.url + "/health", headers={"X-Forwarded-For": "192.0.2.10"}, timeout=10).ok


def test_what_a_client_forwards_itself_is_not_believed(guarded):
    """The one proxy added the last address."""
    statuses = {predict(guarded, f"203.0.113.{n}, 192.0.2.12").status_code for n in range(PER_MINUTE + 1)}
    assert statuses == {200, 429}


def test_pages_of_sites_that_may_ask(guarded):
    headers = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = requests.options(guarded.url + "/predict", headers=headers, timeout=10)
    assert preflight.ok and preflight.headers["Access-Control-Allow-Origin"] == SITE
    assert "x-api-key" in preflight.headers["Access-Control-Allow-Headers"].lower()
    answer = predict(guarded, "192.0.2.13", Origin=SITE)
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "https://site.example.evil.example", "null"])
def test_pages_of_others(guarded, origin):
    answer = requests.get(guarded.url + "/health", headers={"Origin": origin}, timeout=10)
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_without_settings_nothing_is_asked_and_nobody_is_let_in(server):
    headers = {"Origin": SITE, "X-Forwarded-For": "192.0.2.1"}
    answer = requests.post(server.url + "/predict", files={"image": GOOD}, headers=headers, timeout=60)
    assert answer.status_code == 200 and "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("variable", "values"),
    [
        ("CAPTION_API_KEY", ["two words", "schlüssel"]),
        ("CAPTION_CORS_ORIGINS", ["site.example", "https://*.example", "https://site.example/path", ".*"]),
        ("CAPTION_RATE_LIMIT", ["many", "60", "60/fortnight"]),
        ("CAPTION_TRUSTED_PROXIES", ["-1", "some"]),
        ("CAPTION_WORKERS", ["0"]),
    ],
)
def test_settings_that_are_refused(variable, values):
    for value in values:
        with pytest.raises(SettingRefused, match=variable):
            access.register(Flask("refused"), Settings.from_environment({variable: value}))


def small_app(**settings):
    app = Flask("small")
    request_log.register(app)
    access.register(app, Settings(**settings))
    app.post("/predict")(lambda: "captions")
    return app.test_client()


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),  # one customer's network
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),  # IPv4 on a socket of both kinds
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),  # a socket file
    ],
)
def test_whose_requests_are_counted_together(first, second, shared):
    client = small_app(rate_limit="1/minute")
    statuses = [client.post("/predict", environ_base={"REMOTE_ADDR": one}).status_code for one in (first, second)]
    assert statuses == [200, 429 if shared else 200]


def test_without_trusted_proxies_forwarded_addresses_are_not_believed():
    client = small_app(rate_limit="1/minute")
    statuses = [client.post("/predict", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in (1, 2)]
    assert statuses == [200, 429]
