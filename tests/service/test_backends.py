"""Each back end served by a real server with a toy's weights: from a folder, and from a Hub on this machine."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from benchmarks.server import running_server
from model.captioner import DecodingOptions
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import SHIPPED, wait_until
from tests.model.huggingface.small_clipcap import save_small_clipcap
from tests.pictures import encoded
from tests.tiny_backends import photographs, save_blip, save_blip2

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secretOfThisTest"


class Hub(ThreadingHTTPServer):
    """As much of the Hub's interface as its own client needs to download a repository; weights come when told to."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder, self.weights_may_go = folder, threading.Event()
        self.seen: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path = urlsplit(self.path).path
        self.server.seen.append((self.command, path, self.headers["Authorization"]))
        if path == f"/api/models/tests/toy/tree/{COMMIT}":
            files = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": etag(f)} for f in self.files()]
            return self.send(json.dumps(files).encode(), {"Content-Type": "application/json"}, with_body)
        for file in self.files():
            if path == f"/tests/toy/resolve/{COMMIT}/{file.name}":
                if with_body and file.suffix == ".safetensors":
                    self.server.weights_may_go.wait(60)
                return self.send(file.read_bytes(), {"X-Repo-Commit": COMMIT, "ETag": f'"{etag(file)}"'}, with_body)
        return self.send_error(404)

    def files(self) -> list[Path]:
        return sorted(self.server.folder.iterdir())

    def send(self, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


def etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


@contextmanager
def hub_of(folder: Path) -> Iterator[Hub]:
    with Hub(folder) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.weights_may_go.set()
        hub.shutdown()


def predict(server, image, **options):
    return requests.post(
        server.url + "/predict", files={"image": encoded(image)}, data={"include_image": "false"} | options, timeout=120
    )


def test_blip_by_its_name_on_the_hub(tmp_path):
    """Downloads while /health says so; then captions as the library does, and starts again without the Hub."""
    folder = save_blip(tmp_path / "toy")
    (folder / "pytorch_model.bin").write_bytes(b"never asked for where there is safetensors")
    own = {"CAPTION_BACKEND": "blip", "CAPTION_WEIGHTS": "tests/toy", "CAPTION_DEVICE": "cpu"}
    own |= {"CAPTION_REVISION": COMMIT, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    with hub_of(folder) as hub, running_server(tmp_path, **own, HF_ENDPOINT=hub.url) as server:
        wait_until(
            lambda: any(path.endswith("model.safetensors") and command == "GET" for command, path, _ in hub.seen)
        )
        assert server.health()["status"] == "starting"
        assert predict(server, photographs()[0]).status_code == 503
        hub.weights_may_go.set()
        server.wait_until_healthy()
        assert server.health()["model"] == "blip"

        answer = predict(server, photographs()[2], num_captions="2", attention="true").json()
        blip = load_captioner(ModelSettings(backend="blip", weights=str(folder), device="cpu"))
        [expected] = blip.caption(photographs()[2:3], DecodingOptions(num_captions=2, attention=True))
        assert [caption["text"] for caption in answer["captions"]] == [caption.text for caption in expected]
        assert answer["model"] == {"name": "blip", "digest": f"sha256:{blip.digest}", "device": "cpu"}
        grid = answer["captions"][0]["words"][0]["attention"]
        assert len(grid) == 4 and sum(map(sum, grid)) == pytest.approx(1, abs=0.01)
        assert not any(path.endswith(".bin") for _, path, _ in hub.seen)
        assert {token for _, path, token in hub.seen if "tests/toy" in path} == {f"Bearer {TOKEN}"}
        log = server.log.read_text()
        assert TOKEN not in log
        assert "Fetching" in log  # the progress of the download

    with running_server(tmp_path, **own, HF_HUB_OFFLINE="1") as server:
        server.wait_until_healthy()
        assert predict(server, photographs()[2]).json()["caption"] == expected[0].text


def test_blip2_from_a_folder(tmp_path):
    folder = save_blip2(tmp_path / "toy", "t5")
    own = {
        "CAPTION_BACKEND": "blip2",
        "CAPTION_WEIGHTS": str(folder),
        "CAPTION_PROMPT": "a cat",
        "CAPTION_DEVICE": "cpu",
    }
    with running_server(tmp_path, **own) as server:
        server.wait_until_healthy()
        blip2 = load_captioner(ModelSettings(backend="blip2", weights=str(folder), device="cpu", prompt="a cat"))
        images = photographs()[:3]
        options = {"method": "sample", "seed": "3", "num_captions": "2", "max_words": "6"}
        expected = blip2.caption(images, DecodingOptions(method="sample", seed=3, num_captions=2, max_words=6))
        for image, ranked in zip(images, expected, strict=True):
            answer = predict(server, image, **options).json()
            assert [caption["text"] for caption in answer["captions"]] == [caption.text for caption in ranked]
            assert "attention" not in answer["captions"][0]["words"][0]
        assert server.health()["model"] == "blip2"


def test_clipcap_from_a_folder(tmp_path):
    folder = save_small_clipcap(tmp_path / "toy")
    own = {"CAPTION_BACKEND": "clipcap", "CAPTION_WEIGHTS": str(folder), "CAPTION_DEVICE": "cpu"}
    with running_server(tmp_path, **own) as server:
        server.wait_until_healthy()
        clipcap = load_captioner(ModelSettings(backend="clipcap", weights=str(folder), device="cpu"))
        [expected] = clipcap.caption(photographs()[:1], DecodingOptions(num_captions=3))
        answer = predict(server, photographs()[0], num_captions="3", attention="true").json()
        assert [caption["text"] for caption in answer["captions"]] == [caption.text for caption in expected]
        assert answer["model"] == {"name": "clipcap", "digest": f"sha256:{clipcap.digest}", "device": "cpu"}
        assert "attention" not in answer["captions"][0]["words"][0]


def test_weights_that_cannot_be_had_are_told(tmp_path):
    own = {"CAPTION_BACKEND": "blip", "CAPTION_WEIGHTS": "tests/toy", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    with running_server(tmp_path, **own) as server:
        wait_until(lambda: "failed" in health(server).get("status", ""))
        assert "neither a folder nor was it downloaded before" in health(server)["message"]


def health(server) -> dict:
    try:
        return server.health()
    except requests.RequestException:
        return {}


@pytest.mark.parametrize("own", [{"CAPTION_TTA": "true"}, {"CAPTION_LOOK": "thorough"}])
def test_test_time_augmentation_by_its_new_and_by_its_old_name(tmp_path, own):
    with running_server(tmp_path, **own, CAPTION_DTYPE="fp32") as server:
        server.wait_until_healthy()
        assert ("CAPTION_LOOK is now CAPTION_TTA: true" in server.log.read_text()) == ("CAPTION_LOOK" in own)
        [[expected]] = load_captioner(replace(SHIPPED, dtype="fp32", tta=True)).caption(photographs()[:1])
        answer = predict(server, photographs()[0], attention="true").json()
        assert answer["caption"] == expected.text
        assert len(answer["captions"][0]["words"][0]["attention"]) == 9


def test_the_fast_setting(tmp_path):
    with running_server(tmp_path, CAPTION_IMAGE_SIZE="224", CAPTION_DTYPE="fp32") as server:
        server.wait_until_healthy()
        [[expected]] = load_captioner(replace(SHIPPED, dtype="fp32", image_size=224)).caption(photographs()[:1])
        answer = predict(server, photographs()[0], attention="true").json()
        assert answer["caption"] == expected.text
        assert len(answer["captions"][0]["words"][0]["attention"]) == 7


def test_a_number_format_that_there_is_not(tmp_path):
    with running_server(tmp_path, CAPTION_DTYPE="fp8") as server:
        wait_until(lambda: "failed" in health(server).get("status", ""))
        assert "there is no dtype 'fp8'" in health(server)["message"]
