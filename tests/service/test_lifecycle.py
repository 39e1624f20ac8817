"""A server from its start to its end, and what it leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import requests

from benchmarks.server import descendants, running_server
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS, Vocabulary
from model.errors import SettingRefused
from service.settings import Settings
from tests.conftest import ROOT, wait_until
from tests.pictures import drawn, encoded

GOOD = encoded(drawn(64, 64), "JPEG")


@pytest.mark.parametrize("command", [("app.py",), ("-m", "gunicorn", "app:app")])
def test_not_ready_until_the_model_is_loaded_then_healthy(tmp_path, command):
    with running_server(tmp_path, command) as server:
        seen = []
        while not seen or seen[-1] != 200:
            assert server.process.poll() is None, server.log.read_text()
            try:
                answer = requests.get(server.url + "/health", timeout=5)
            except requests.RequestException:
                time.sleep(0.02)
                continue
            seen.append(answer.status_code)
            if answer.status_code == 503 and 503 not in seen[:-1]:
                assert answer.json() == {"status": "starting", "state": "starting", "model": "cnn-lstm"}
                early = requests.post(server.url + "/predict", files={"image": GOOD}, timeout=60)
                assert early.status_code == 200 or (early.status_code == 503 and early.headers["Retry-After"])
            time.sleep(0.02)
        assert seen[0] == 503 and set(seen) == {503, 200}


def test_a_wrong_pair_is_told_and_nothing_is_captioned(tmp_path):
    Vocabulary([*SPECIAL_TOKENS, "a"]).save(tmp_path / "vocab.pkl")
    with running_server(tmp_path, CAPTION_VOCABULARY=str(tmp_path / "vocab.pkl")) as server:
        for _ in range(600):
            try:
                answer = requests.get(server.url + "/health", timeout=5)
                if answer.json()["status"] == "failed":
                    break
            except requests.RequestException:
                pass
            time.sleep(0.1)
        assert answer.status_code == 503 and "do not belong together" in answer.json()["message"]
        refused = requests.post(server.url + "/predict", files={"image": GOOD}, timeout=10)
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "not_ready"


def test_sigterm_finishes_what_is_under_way(tmp_path):
    with running_server(tmp_path, CAPTION_MAX_QUEUE="4") as server, ThreadPoolExecutor(4) as clients:
        server.wait_until_healthy()
        captioner = server.captioner
        os.kill(captioner, signal.SIGSTOP)  # so that they surely are under way
        ask = partial(requests.post, server.url + "/predict", files={"image": GOOD}, timeout=60)
        answers = [clients.submit(ask) for _ in range(4)]
        wait_until(lambda: server.health()["state"] == "busy")
        server.process.terminate()
        time.sleep(0.3)  # it is told
        os.kill(captioner, signal.SIGCONT)
        assert [answer.result().status_code for answer in answers] == [200] * 4
        assert server.process.wait(60) == 0
        wait_until(lambda: not Path(f"/proc/{captioner}").exists())
        with pytest.raises(requests.ConnectionError):
            requests.get(server.url + "/health", timeout=5)


def test_uploads_stay_in_memory(tmp_path):
    """No file is opened for writing, named or nameless, at any size of upload: the kernel's own list says so."""
    with running_server(tmp_path) as server:
        server.wait_until_healthy()
        before = _written_files(server.process.pid)
        large = GOOD + bytes(15 * 2**20)
        watched = _Watch(server.process.pid)
        with watched:
            for data in (GOOD, large, large, bytes(17 * 2**20)):
                requests.post(server.url + "/predict", files={"image": data}, timeout=60)
        assert watched.seen <= before, watched.seen - before


class _Watch(threading.Thread):
    """Collects the files that a process and its children hold open for writing, many times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid, self.seen, self.over = pid, set(), threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            self.seen |= _written_files(self.pid)
            time.sleep(0.002)

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.over.set()
        self.join()


def _written_files(pid: int) -> set[str]:
    found = set()
    for process in (pid, *descendants(pid)):
        for entry in Path(f"/proc/{process}/fd").iterdir():
            try:
                target = str(entry.readlink())
                flags = Path(f"/proc/{process}/fdinfo/{entry.name}").read_text().split("flags:")[1].split()[0]
            except OSError:  # closed in between
                continue
            if target.startswith("/") and not target.startswith("/dev/") and int(flags, 8) & (os.O_WRONLY | os.O_RDWR):
                found.add(target)
    return found


def test_settings_from_the_environment():
    settings = Settings.from_environment({"CAPTION_DEVICE": "cpu", "CAPTION_MAX_UPLOAD_BYTES": "1000", "OTHER": "x"})
    assert settings.model.device == "cpu" and settings.max_upload_bytes == 1000
    assert settings.model.checkpoint == ROOT / "best_model.pth"
    with pytest.raises(SettingRefused, match="CAPTION_MAX_UPLOAD_BYTES"):
        Settings.from_environment({"CAPTION_MAX_UPLOAD_BYTES": "16 MB"})


def test_an_unknown_back_end_is_told(tmp_path):
    with running_server(tmp_path, CAPTION_BACKEND="magic") as server:
        for _ in range(300):
            try:
                body = requests.get(server.url + "/health", timeout=5).json()
                if body["status"] == "failed":
                    break
            except requests.RequestException:
                pass
            time.sleep(0.1)
        assert "magic" in body["message"] and "cnn-lstm" in body["message"]


def test_the_service_does_not_import_training():
    code = "import sys, app; sys.exit(any(name.split('.')[0] in ('training', 'nltk', 'tyro') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_model_imports_neither_flask_nor_training():
    code = (
        "import sys, model.__main__, model.cnn_lstm;"
        "sys.exit(any(name.split('.')[0] in ('flask', 'service', 'training') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
