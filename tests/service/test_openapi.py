"""The document is OpenAPI, says of each endpoint what it does, and the real answers are what it says."""

import base64
import dataclasses
import re

import pytest
import requests
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from model.captioner import DecodingOptions
from model.errors import OptionRefused
from model.registry import users_of
from model.settings import ModelSettings
from service import about, adapters, routes
from service.description import VERSION
from service.openapi import describe_api
from service.settings import Settings
from tests.conftest import ROOT
from tests.pictures import drawn, encoded

GOOD = encoded(drawn(64, 64), "JPEG")


@pytest.fixture(scope="module")
def document(server):
    return requests.get(server.url + "/openapi.json", timeout=10).json()


def answered(document, server, method, path, **request):
    """The answer, which has the schema, the headers and the media type that the document gives its status."""
    answer = requests.request(method, server.url + path, timeout=60, **request)
    responses = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, (answer.status_code, answer.text)
    response = responses[str(answer.status_code)]
    media = answer.headers["Content-Type"].partition(";")[0]
    content = response["content"][media]
    body = answer.json() if media == "application/json" else answer.text
    Draft202012Validator(content["schema"] | {"components": document["components"]}).validate(body)
    for name in response["headers"]:
        described = document["components"]["headers"][name]
        if name not in answer.headers and not described.get("required"):
            continue
        schema = described["schema"]
        value = int(answer.headers[name]) if schema["type"] == "integer" else answer.headers[name]
        Draft202012Validator(schema).validate(value)
    return answer


def test_it_is_valid(document):
    validate(document)
    assert document["openapi"].startswith("3.1")
    names = [one["operationId"] for operations in document["paths"].values() for one in operations.values()]
    assert len(set(names)) == len(names)


def test_with_everything_on_it_is_valid_too():
    everything = Settings(api_key="key", rate_limit="1/second", collection=ROOT / "captions.jsonl")
    document = describe_api(everything, "http://localhost")
    validate(document)
    predict, health = document["paths"]["/predict"]["post"], document["paths"]["/health"]["get"]
    assert {"401", "429"} <= set(predict["responses"]) and predict["security"] == [{"bearer": []}, {"header": []}]
    assert "Authorization" in predict["x-codeSamples"][0]["source"]
    assert not {"401", "429"} & set(health["responses"]) and "security" not in health
    chat, show = document["paths"]["/v1/chat/completions"]["post"], document["paths"]["/api/show"]["post"]
    assert {"401", "429"} <= set(chat["responses"]) and "RateLimit" in chat["responses"]["200"]["headers"]
    assert "401" in show["responses"] and "429" not in show["responses"]
    collections = {"/collection/search", "/collection/{id}/thumbnail", "/collection/{id}/similar"}
    reviews = {"/collection/{id}", "/collection/{id}/review"}
    assert collections | reviews <= set(document["paths"])
    read_only = describe_api(dataclasses.replace(everything, collection_read_only=True), "http://localhost")
    assert collections <= set(read_only["paths"]) and not reviews & set(read_only["paths"])


def test_what_is_off_is_not_in_it(document):
    assert "securitySchemes" not in document["components"]
    assert not {"401", "429"} & set(document["paths"]["/predict"]["post"]["responses"])


def test_every_route_is_in_it(document):
    app = Flask("routes", static_folder=None)
    app.register_blueprint(routes.blueprint)
    app.register_blueprint(about.blueprint)
    adapters.register(app)
    rules = [(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), rule.methods) for rule in app.url_map.iter_rules()]
    served = {(rule, method.lower()) for rule, methods in rules for method in methods}
    described = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert described == {(path, method) for path, method in served if method not in ("head", "options")}


def test_options_are_those_that_requests_are_checked_by(document):
    parameters = {one["name"]: one["schema"] for one in document["paths"]["/predict"]["post"]["parameters"]}
    form = document["paths"]["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {name: form["properties"][name] for name in parameters} == parameters
    assert set(parameters) == {option.name for option in dataclasses.fields(DecodingOptions)} | {"include_image"}
    bounded = {name: schema for name, schema in parameters.items() if "minimum" in schema}
    assert len(bounded) == 9
    for name, schema in bounded.items():
        others = {"beam_size": "10"} if name == "num_captions" else {}
        for bound, step in (("minimum", -1), ("maximum", 1)):
            DecodingOptions.parse(others | {name: str(schema[bound])})
            with pytest.raises(OptionRefused):
                DecodingOptions.parse(others | {name: str(schema[bound] + step)})
    assert all(DecodingOptions.parse({"method": method}) for method in parameters["method"]["enum"])


GETS = ["/health", "/livez", "/readyz", "/info", "/metrics", "/openapi.json", "/docs", "/"]


@pytest.mark.parametrize("path", [*GETS, "/v1/models", "/api/tags", "/api/ps", "/api/version"])
def test_answers_to_get(document, server, path):
    assert answered(document, server, "get", path).status_code == 200


def test_captions(document, server):
    form = {"attention": "true", "num_captions": "2"}
    body = answered(document, server, "post", "/predict", files={"image": GOOD}, data=form).json()
    assert len(body["captions"]) == 2 and "attention" in body["captions"][0]["words"][0]
    files = [("image", GOOD), ("image", b"no image"), ("file", b"")]
    results = answered(document, server, "post", "/predict/batch", files=files).json()["results"]
    assert ["error" in result for result in results] == [False, True, True]
    cut_off = answered(document, server, "post", "/predict", files={"image": GOOD[:-2]}).json()
    assert cut_off["warning"] == "truncated"


@pytest.mark.parametrize(
    ("status", "request_parts"),
    [
        (400, {"files": {"picture": GOOD}}),
        (400, {"files": {"image": GOOD}, "params": {"beam_size": 11}}),
        (413, {"files": {"image": bytes(17 * 2**20)}}),
        (415, {"files": {"image": b"hello"}}),
        (422, {"files": {"image": GOOD[: len(GOOD) // 2]}}),
    ],
)
def test_refusals(document, server, status, request_parts):
    assert answered(document, server, "post", "/predict", **request_parts).status_code == status


TEXT = base64.b64encode(GOOD).decode()
QUESTIONS = {
    "/predict": lambda text: {"image": text},
    "/predict/batch": lambda text: {"image": [text]},
    "/v1/chat/completions": lambda text: {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": text}}]}]
    },
    "/v1/responses": lambda text: {
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": text}]}]
    },
    "/api/generate": lambda text: {"images": [text], "stream": False},
    "/api/chat": lambda text: {"messages": [{"role": "user", "content": "", "images": [text]}], "stream": False},
    "/api/show": lambda text: {"model": "cnn-lstm"},
    "/image-to-text": lambda text: {"inputs": text},
    "/": lambda text: {"inputs": text},
}


@pytest.mark.parametrize("path", QUESTIONS)
def test_every_door_answers_and_refuses_as_it_is_described(document, server, path):
    posts = {one for one, operations in document["paths"].items() if "post" in operations}
    assert posts == {*QUESTIONS, "/models/{name}"}  # which is as /image-to-text
    question = QUESTIONS[path]
    body = question(TEXT)
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator(schema | {"components": document["components"]}).validate(body)
    assert answered(document, server, "post", path, json=body).status_code == 200
    assert answered(document, server, "post", path, data=b"{").status_code == 400 or path.startswith("/predict")
    if path in ("/predict/batch", "/api/show"):
        return
    for text, status in (("AA*A", 400), ("aGVsbG8=", 415), (TEXT[:600], 422)):
        assert answered(document, server, "post", path, json=question(text)).status_code == status
    if "text/event-stream" in document["paths"][path]["post"]["responses"]["200"]["content"]:
        answered(document, server, "post", path, json=body | {"stream": True})


def test_another_method_is_refused_as_every_endpoint_says(document, server):
    for path, operations in document["paths"].items():
        answer = requests.delete(server.url + path, timeout=10)
        assert answer.status_code == 405
        for method, operation in operations.items():
            assert method.upper() in answer.headers["Allow"]
            schema = operation["responses"]["405"]["content"]["application/json"]["schema"]
            if path != "/" or method == "get":
                Draft202012Validator(schema | {"components": document["components"]}).validate(answer.json())


def test_info(server):
    info = requests.get(server.url + "/info", timeout=10).json()
    health = requests.get(server.url + "/health", timeout=10).json()
    assert info["model"]["digest"] == health["digest"] and "Flickr8k" in info["model"]["licence"]
    capabilities = info["model"]["capabilities"]
    assert {"attention": True, "low_confidence": True, "prompt": False}.items() <= capabilities.items()
    assert capabilities["languages"][0] == "en" and {"de", "zh"} < set(capabilities["languages"])
    assert capabilities["batch_size"] > 0
    assert info["model"]["settings"] == {"dtype": "auto", "tta": False, "image_size": 0}
    assert info["limits"]["upload_bytes"] == Settings().max_upload_bytes and info["limits"]["rate"] is None
    assert {name: option.get("default") for name, option in info["decoding"].items()} == dataclasses.asdict(
        DecodingOptions()
    )


def test_one_version():
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text()


def test_the_settings_of_the_model_are_written_down_as_they_are_declared():
    """A row a field of ModelSettings, in their order: variable, flag, default, back ends, help."""
    text = (ROOT / "docs" / "backends.md").read_text()
    rows = [
        f"| `CAPTION_{setting.name.upper()}` | `--{setting.name.replace('_', '-')}` | "
        f"{', '.join(f'`{name}`' for name in users_of(setting.name))} | {setting.metadata['help']} |"
        for setting in dataclasses.fields(ModelSettings)
    ]
    assert "\n".join(rows) in text


def test_the_settings_that_are_written_down_are_those_that_there_are():
    rows = re.findall(r"^\| `CAPTION_(\w+)` \| (\S*) ", (ROOT / "docs" / "service.md").read_text(), re.M)
    assert len(rows) == 20
    for name, default in rows:
        assert str(getattr(Settings(), name.lower())) == default.strip("`|"), name
