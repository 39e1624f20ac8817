"""The key, other sites' pages, requests a minute and proxies: on a real server, and their settings."""

import base64
import re

import ollama
import openai
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
        "CAPTION_STRICT_MODEL": "true",
        "CAPTION_MODEL_ALIASES": "llava, gpt-4o-mini",
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
    for path in ("/", "/static/app.js", "/health", "/livez", "/readyz", "/info", "/openapi.json", "/docs"):
        assert requests.get(guarded.url + path, timeout=10).status_code == 200, path
    assert requests.get(guarded.url + "/metrics", timeout=10).status_code == 401
    assert requests.get(guarded.url + "/metrics", headers={"X-API-Key": KEY}, timeout=10).status_code == 200
    assert requests.get(guarded.url + "/nothing", timeout=10).status_code == 404
    assert requests.get(guarded.url + "/predict", timeout=10).status_code == 405


ADDRESS = f"data:image/jpeg;base64,{base64.b64encode(GOOD).decode()}"
DOORS = {
    "/predict": {"image": ADDRESS},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": ADDRESS}]}]},
    "/v1/responses": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": ADDRESS}]}]},
    "/api/generate": {"images": [ADDRESS], "stream": False},
    "/api/chat": {"messages": [{"role": "user", "images": [ADDRESS]}], "stream": False},
    "/image-to-text": {"inputs": ADDRESS},
    "/": {"inputs": ADDRESS},
}


@pytest.mark.parametrize(("number", "path"), list(enumerate(DOORS)))
def test_every_door_has_the_same_lock_and_the_same_count(guarded, number, path):
    def ask(key):
        headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": f"198.51.100.{number}"}
        return requests.post(guarded.url + path, json=DOORS[path], headers=headers, timeout=60)

    assert ask("wrong").status_code == 401
    left = []
    for _ in range(PER_MINUTE - 1):
        answer = ask(KEY)
        assert answer.status_code == 200, answer.text
        assert answer.headers["RateLimit-Policy"] == f'"{PER_MINUTE} per 1 minute";q={PER_MINUTE};w=60'
        found = re.fullmatch(rf'"{PER_MINUTE} per 1 minute";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
        left.append(int(found[1]))
        assert 0 < int(found[2]) <= 61
    assert left == [2, 1, 0]  # the guess was counted, too
    refused = ask(KEY)
    assert refused.status_code == 429 and 1 <= int(refused.headers["Retry-After"]) <= 61
    assert ";r=0;" in refused.headers["RateLimit"]
    told = refused.json()["error"]
    assert "please wait" in (told if isinstance(told, str) else told["message"])


def test_the_clients_of_others_know_what_is_wrong(guarded):
    headers = {"X-Forwarded-For": "198.51.100.100"}
    options = {"base_url": guarded.url + "/v1", "max_retries": 0, "default_headers": headers}
    body = {"model": "llava", "messages": DOORS["/v1/chat/completions"]["messages"]}
    with openai.OpenAI(api_key="wrong", **options) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.models.list()
        assert refused.value.code == "invalid_api_key"
    with openai.OpenAI(api_key=KEY, **options) as client:
        assert client.chat.completions.create(**body).model == "cnn-lstm"
        with pytest.raises(openai.NotFoundError, match="cnn-lstm, llava, gpt-4o-mini") as refused:
            client.chat.completions.create(**body | {"model": "gpt-5"})
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
        for _ in range(PER_MINUTE - 2):
            client.chat.completions.create(**body)
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**body)
        assert refused.value.code == "rate_limit_exceeded"
    with ollama.Client(guarded.url, headers=headers) as client, pytest.raises(ollama.ResponseError) as refused:
        client.list()
    assert refused.value.status_code == 401 and "API key" in refused.value.error


def test_the_model_by_its_names_and_by_no_other(guarded):
    headers = {"Authorization": f"Bearer {KEY}"}
    listed = requests.get(guarded.url + "/v1/models", headers=headers, timeout=10).json()["data"]
    assert [model["id"] for model in listed] == ["cnn-lstm", "llava", "gpt-4o-mini"]
    listed = requests.get(guarded.url + "/api/tags", headers=headers, timeout=10).json()["models"]
    assert [model["name"] for model in listed] == ["cnn-lstm:latest", "llava:latest", "gpt-4o-mini:latest"]
    for name, status in (("llava", 200), ("llava:latest", 200), ("moondream", 404)):
        for field in ("model", "name"):
            answer = requests.post(guarded.url + "/api/show", json={field: name}, headers=headers, timeout=10)
            assert answer.status_code == status, (name, field)
    assert (
        requests.get(guarded.url + "/v1/models/gpt-4o-mini", headers=headers, timeout=10).json()["id"] == "gpt-4o-mini"
    )
    assert requests.get(guarded.url + "/v1/models/gpt-5", headers=headers, timeout=10).status_code == 404


@pytest.mark.parametrize("path", [*DOORS, "/v1/models", "/api/tags", "/readyz"])
def test_pages_of_sites_that_may_ask_may_ask_at_every_door(guarded, path):
    asked = "authorization,content-type,x-stainless-lang,x-stainless-retry-count"  # what openai's own client sends
    headers = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    preflight = requests.options(guarded.url + path, headers=headers, timeout=10)
    assert preflight.ok and preflight.headers["Access-Control-Allow-Origin"] == SITE
    assert set(asked.split(",")) <= {
        name.strip() for name in preflight.headers["Access-Control-Allow-Headers"].split(",")
    }
    others = requests.options(guarded.url + path, headers=headers | {"Origin": "https://evil.example"}, timeout=10)
    assert "Access-Control-Allow-Origin" not in others.headers


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
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("X-Request-ID", "RateLimit", "RateLimit-Policy", "Server-Timing"))
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
