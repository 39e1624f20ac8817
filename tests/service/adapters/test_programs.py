"""What the programs of docs/clients.md send, written anew from their public sources, and read as they read it."""

import base64
import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import requests
from jsonschema import Draft202012Validator

from tests.conftest import ROOT
from tests.service.adapters.asking import PICTURES, TEXTS, caption_of, image_url, predict

DOCUMENT = (ROOT / "docs" / "clients.md").read_text()
ADDRESS = "http://localhost:7860"
KEY = {"Authorization": "Bearer a-key-where-there-is-none"}
LABEL = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "topicality": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["name", "confidence", "topicality"],
    "additionalProperties": False,
}
LABELS = {
    "type": "object",
    "properties": {"labels": {"type": "array", "items": LABEL, "default": []}},
    "required": ["labels"],
    "additionalProperties": False,
}
TAGS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["tags"],
    "additionalProperties": False,
}
FORMATS = {
    "structured": {"type": "json_schema", "json_schema": {"name": "schema", "strict": True, "schema": TAGS}},
    "json": {"type": "json_object"},
    "plain": None,
}
SEEN = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "description": {"type": "string"}, "person": {"type": "boolean"}},
    "required": ["title", "description", "person"],
}
WISH_FOR_TAGS = 'Suggest tags. You must respond in valid JSON with the key "tags" and the value is list of tags.'


@pytest.fixture(scope="module")
def caption(server):
    return caption_of(server)


@pytest.fixture(scope="module")
def names(server, caption):
    """Of the tags, or of the caption's words where the model has none."""
    tags = predict(server)["tags"]
    return {tag["name"] for tag in tags} or set(caption.split())


@pytest.fixture
def post(server):
    def send(path, body, **headers):
        answer = requests.post(server.url + path, json=body, headers=headers, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer

    return send


class TestPhotoPrism:
    """internal/ai/vision: engine_ollama.go, engine_openai.go, api_request.go and what reads the answers."""

    def ollama(self, post, **more):
        body = {
            "model": "cnn-lstm:latest",
            "prompt": "Create a caption with exactly one sentence.",
            "suffix": "",
            **more,
        }
        answer = post("/api/generate", body | {"stream": False, "images": [TEXTS[0]]})
        *_, last = (json.loads(line) for line in answer.text.splitlines())
        return last

    def openai(self, post, **more):
        user = [
            {"type": "input_text", "text": "Describe the picture."},
            {"type": "input_image", "image_url": f"data:image/jpeg;base64,{TEXTS[0]}", "detail": "low"},
        ]
        system = [{"type": "input_text", "text": "You are a PhotoPrism vision model."}]
        messages = [{"role": "system", "content": system}, {"role": "user", "type": "message", "content": user}]
        body = {"model": "gpt-5-mini", "input": messages, "max_output_tokens": 512, **more}
        answer = post("/v1/responses", body, **KEY).json()
        return next(part["text"] for item in answer["output"] for part in item["content"] if part["text"].strip())

    def test_captions_by_ollama(self, post, caption):
        answer = self.ollama(post, options={"temperature": 0.1})
        assert answer["response"].strip() == caption and answer["done"] and isinstance(answer["total_duration"], int)

    def test_labels_by_ollama(self, post, names):
        wish = {"system": "Output concise JSON that matches the schema.", "format": "json"}
        answer = self.ollama(post, options={"temperature": 0.1, "top_p": 0.9, "stop": ["\n\n"]}, **wish)
        labels = json.loads(answer["response"])["labels"]
        assert labels and {label["name"] for label in labels} <= names
        for label in labels:
            Draft202012Validator(LABEL).validate(label)

    def test_captions_by_openai(self, post, caption):
        assert self.openai(post) == caption

    def test_labels_by_openai(self, post, names):
        format = {"type": "json_schema", "name": "photoprism_labels_v1", "schema": LABELS, "strict": True}
        text = self.openai(post, text={"format": format}, temperature=0.1)
        assert text.startswith("{")
        Draft202012Validator(LABELS).validate(json.loads(text))
        assert {label["name"] for label in json.loads(text)["labels"]} <= names


class TestKarakeep:
    """packages/shared/inference.ts, and parseJsonFromLLMResponse in its workers."""

    def parse(self, text):
        try:
            return json.loads(text.strip())["tags"]
        except ValueError:
            return json.loads(re.search(r"\{[\s\S]*\}", text)[0])["tags"]

    @pytest.mark.parametrize("kind", list(FORMATS))
    def test_tags_by_openai(self, post, names, kind):
        image = {"url": f"data:image/png;base64,{TEXTS[0]}", "detail": "low"}
        content = [{"type": "text", "text": WISH_FOR_TAGS}, {"type": "image_url", "image_url": image}]
        body = {"model": "gpt-4o-mini", "max_tokens": 2048, "messages": [{"role": "user", "content": content}]}
        if FORMATS[kind]:
            body["response_format"] = FORMATS[kind]
        answer = post("/v1/chat/completions", body, **KEY, **{"X-Title": "Karakeep"}).json()
        tags = self.parse(answer["choices"][0]["message"]["content"])
        assert tags and set(tags) <= names and answer["usage"]["total_tokens"] > 0

    @pytest.mark.parametrize("format", [TAGS, "json", None])
    def test_tags_by_ollama(self, post, names, format):
        body = {"model": "llava", "prompt": WISH_FOR_TAGS, "images": [TEXTS[0]], "stream": True, "keep_alive": "5m"}
        body |= {"options": {"num_ctx": 2048, "num_predict": 2048}} | ({"format": format} if format else {})
        text, tokens = "", 0
        for line in post("/api/generate", body).text.splitlines():
            piece = json.loads(line)
            text += piece["response"]
            tokens += piece.get("eval_count", 0) + piece.get("prompt_eval_count", 0)
        assert set(self.parse(text)) <= names and tokens > 0


class TestLLMVision:
    """Home Assistant's; custom_components/llmvision/providers.py: LocalAI and Ollama, which need no key."""

    def test_localai(self, server, post):
        assert requests.get(server.url + "/readyz", timeout=10).status_code == 200
        content = []
        for number, text in enumerate(TEXTS):
            address = {"url": f"data:image/jpeg;base64,{text}"}
            content += [{"type": "text", "text": f"Image {number + 1}:"}, {"type": "image_url", "image_url": address}]
        content.append({"type": "text", "text": "Describe what happens."})
        messages = [
            {"role": "system", "content": "You describe camera pictures."},
            {"role": "user", "content": content},
        ]
        body = {
            "model": "gpt-4-vision-preview",
            "messages": messages,
            "max_tokens": 100,
            "temperature": 0.5,
            "top_p": 0.9,
        }
        lines = post("/v1/chat/completions", body).json()["choices"][0]["message"]["content"].splitlines()
        assert lines == [f"Image {n + 1}: {caption_of(server, picture)}" for n, picture in enumerate(PICTURES)]
        schema = {"type": "json_schema", "json_schema": {"name": "response", "schema": SEEN, "strict": False}}
        answer = post("/v1/chat/completions", body | {"response_format": schema}).json()
        Draft202012Validator(SEEN).validate(json.loads(answer["choices"][0]["message"]["content"]))

    def test_ollama(self, server, post):
        assert requests.get(server.url + "/api/tags", timeout=10).status_code == 200
        messages = [{"role": "user", "content": f"door {n}:", "images": [text]} for n, text in enumerate(TEXTS)]
        messages.append({"role": "user", "content": "Describe what happens."})
        options = {"num_predict": 100, "temperature": 0.5, "num_ctx": 2048}
        body = {
            "model": "llava-phi3:latest",
            "messages": messages,
            "stream": False,
            "keep_alive": 5,
            "options": options,
        }
        text = post("/api/chat", body | {"system": "You describe camera pictures."}).json()["message"]["content"]
        assert text.splitlines() == [f"door {n}: {caption_of(server, picture)}" for n, picture in enumerate(PICTURES)]
        filled = post("/api/chat", body | {"format": SEEN}).json()["message"]["content"]
        Draft202012Validator(SEEN).validate(json.loads(filled))


class TestOpenWebUI:
    """backend/open_webui/routers: openai.py, ollama.py; utils/payload.py, utils/response.py."""

    MESSAGE = "What is this?"

    def test_as_openai(self, server, post, caption):
        models = requests.get(server.url + "/v1/models", headers=KEY, timeout=10).json()["data"]
        image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{TEXTS[0]}"}}
        messages = [{"role": "user", "content": [{"type": "text", "text": self.MESSAGE}, image]}]
        body = {
            "stream": True,
            "model": models[0]["id"],
            "messages": messages,
            "stream_options": {"include_usage": True},
        }
        lines = [line for line in post("/v1/chat/completions", body, **KEY).text.splitlines() if line]
        assert lines[-1] == "data: [DONE]"
        pieces = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
        assert "".join(c["delta"].get("content") or "" for piece in pieces for c in piece["choices"]) == caption
        assert pieces[-1]["usage"]["completion_tokens"] > 0

    def test_as_ollama(self, server, post, caption):
        for path in ("/api/version", "/api/tags", "/api/ps"):
            assert requests.get(server.url + path, headers=KEY, timeout=10).status_code == 200
        [model] = requests.get(server.url + "/api/tags", timeout=10).json()["models"]
        body = {"model": model["model"], "messages": [{"role": "user", "content": self.MESSAGE, "images": [TEXTS[0]]}]}
        pieces = [
            json.loads(line) for line in post("/api/chat", body | {"stream": True, "options": {}}).text.splitlines()
        ]
        assert "".join(piece["message"]["content"] for piece in pieces) == caption
        last = pieces[-1]
        assert last["eval_count"] / (last["eval_duration"] / 1e9) > 0  # it shows tokens a second
        assert last["prompt_eval_duration"] > 0 and last["total_duration"] // 1_000_000_000 >= 0


def test_classifai_for_wordpress(post, caption):
    """includes/Classifai/Providers/Localhost/OllamaMultimodal.php."""
    body = {"model": "llava", "prompt": "Write alt text.", "images": [TEXTS[0]], "stream": False}
    assert post("/api/generate", body).json()["response"].strip(" \"'") == caption


def test_altbot_for_mastodon(server, post, caption):
    """llm_provider.go: its `transformers` provider, which asks for the server's health, and no image kind is right."""
    assert requests.get(server.url + "/health", timeout=10).status_code == 200
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{TEXTS[0]}"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "Generate alt text."}, image]}]
    answer = post("/v1/chat/completions", {"model": "x", "messages": messages}).json()
    assert answer["choices"][0]["message"]["content"] == caption


def test_n8n(post, caption):
    """Its OpenAI node's "analyze image": vendors/OpenAi/v1 and v2, actions/image/analyze.operation.ts."""
    address = f"data:image/jpeg;base64,{TEXTS[0]}"
    content = [{"type": "text", "text": "What's in this image?"}]
    content.append({"type": "image_url", "image_url": {"url": address, "detail": "auto"}})
    old = {"model": "gpt-4o", "messages": [{"role": "user", "content": content}], "max_tokens": 300}
    assert post("/v1/chat/completions", old, **KEY).json()["choices"][0]["message"]["content"] == caption
    content = [{"type": "input_text", "text": "What's in this image?"}]
    content.append({"type": "input_image", "detail": "auto", "image_url": address})
    new = {"model": "gpt-4o", "input": [{"role": "user", "content": content}], "max_output_tokens": 300}
    answer = post("/v1/responses", new, **KEY).json()
    assert answer["output"][0]["content"][0]["text"] == caption
    assert answer["usage"]["input_tokens"] and answer["usage"]["output_tokens"]


def test_langchain(post, caption):
    """ChatOpenAI and ChatOllama; what they send was taken down by a server of our own."""
    address = {"url": f"data:image/jpeg;base64,{TEXTS[0]}"}
    content = [{"type": "text", "text": "Describe it."}, {"type": "image_url", "image_url": address}]
    body = {"model": "x", "messages": [{"role": "user", "content": content}], "stream": False, "temperature": 0.7}
    assert post("/v1/chat/completions", body, **KEY).json()["choices"][0]["message"]["content"] == caption


LLMS = re.findall(r"^(?:OLLAMA_HOST=(\S+) )?llm (-m .*)$", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize(("host", "arguments"), LLMS, ids=["OpenAI", "Ollama"])
def test_llm_itself(server, caption, tmp_path, host, arguments):
    """The program, set up as the document says."""
    setting = re.search(r"```yaml\n# extra-openai-models.yaml\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    (tmp_path / "extra-openai-models.yaml").write_text(setting.replace(ADDRESS, server.url))
    (tmp_path / "photo.jpg").write_bytes(PICTURES[0])
    nowhere = "http://127.0.0.1:9"
    found = subprocess.run(
        [sys.executable, "-m", "llm", *shlex.split(arguments)],
        cwd=tmp_path,
        env=os.environ
        | {"LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "any"}
        | {"OLLAMA_HOST": host.replace(ADDRESS, server.url) or nowhere},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.stdout.strip() == caption, found.stderr


def test_litellm_itself(server, caption, monkeypatch):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches prices
    import litellm

    content = [{"type": "text", "text": "Describe it."}, image_url()]
    ways = {"openai/cnn-lstm": server.url + "/v1", "ollama_chat/cnn-lstm": server.url, "ollama/llava": server.url}
    for model, address in ways.items():
        asked = {
            "model": model,
            "api_base": address,
            "api_key": "any",
            "messages": [{"role": "user", "content": content}],
        }
        assert litellm.completion(**asked).choices[0].message.content == caption, model
        pieces = [piece.choices[0].delta.content or "" for piece in litellm.completion(**asked, stream=True)]
        assert "".join(pieces) == caption, model


CURLS = re.findall(r"^(?:curl|base64|printf|echo) .*$", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("command", CURLS, ids=range(len(CURLS)))
def test_the_lines_for_a_shell(server, caption, tmp_path, command):
    (tmp_path / "photo.jpg").write_bytes(PICTURES[0])
    command = command.replace(ADDRESS, server.url).replace("curl ", "curl --silent --show-error ")
    found = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert found.returncode == 0 and caption in found.stdout, (command, found.stdout, found.stderr)


def test_the_document_has_lines_for_every_program():
    for program in (
        "PhotoPrism",
        "Karakeep",
        "LLM Vision",
        "Open WebUI",
        "WordPress",
        "Mastodon",
        "n8n",
        "llm",
        "LangChain",
    ):
        assert f"## {program}" in DOCUMENT, program
    assert len(CURLS) >= 6 and len(LLMS) == 2
    assert base64.b64decode(TEXTS[0]) == PICTURES[0]
