"""Hosts that lack something: the service works there, or says what is missing, and ends with an exit status."""

import threading
from contextlib import contextmanager

import pytest
import requests

from benchmarks.server import running_server
from service.engine import supervisor
from service.engine.supervisor import NotReady, Supervisor
from service.settings import Settings
from tests.conftest import wait_until
from tests.pictures import encoded, photograph
from tests.service.hosts import as_unknown_user

CAT = encoded(photograph("chelsea"), "JPEG")
SECONDS = 120  # on a busy machine; seconds on another


def caption(server):
    answer = requests.post(server.url + "/predict", files={"image": CAT}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["caption"]


@pytest.mark.parametrize("writable", ["/dev/shm", "/var/tmp"])
def test_a_user_that_no_file_knows_and_nothing_but_one_folder_to_write_to(tmp_path, server, writable):
    with running_server(tmp_path, ("app.py",), as_unknown_user(writable)) as strange:
        strange.wait_until_healthy()
        assert caption(strange) == caption(server)
        metrics = requests.get(strange.url + "/metrics", timeout=10).text
        assert 'caption_requests_total{endpoint="/predict",status="200"} 1.0' in metrics


def test_nothing_at_all_to_write_to_is_said_in_a_line(tmp_path):
    with running_server(tmp_path, ("app.py",), as_unknown_user("")) as strange:
        assert strange.process.wait(SECONDS) == 1
        log = strange.log.read_text()
    assert "No usable temporary directory" in log and "--tmpfs /tmp" in log and "Traceback" not in log


FAILURES = {
    "raise ImportError('libcudart.so.12: cannot open shared object file')": ("libcudart.so.12", "pip install"),
    "raise ModuleNotFoundError('No module named numpy', name='numpy')": ("No module named numpy", "pip install"),
    "raise OSError(13, 'Permission denied', '/root/.cache/torch')": ("Permission denied", "/root/.cache/torch"),
    "raise KeyError('getpwuid(): uid not found: 12345')": ("KeyError", "uid not found"),
    "raise MemoryError": ("MemoryError",),
    "import sys; sys.exit('no licence')": ("SystemExit", "no licence"),
    "import os; os._exit(7)": ("exit status 7",),
    "import os; os._exit(0)": ("exit status 0",),
    "import os; os.kill(os.getpid(), 9)": ("signal 9", "memory runs out"),
    "import os; os.kill(os.getpid(), 4)": ("signal 4", "instructions"),
    "import faulthandler; faulthandler._sigsegv()": ("signal 11", "Segmentation fault"),
    "import os; os.write(2, b'OMP: Error #179: Function Can\\'t open SHM failed\\n'); os.abort()": ("signal 6", "SHM"),
    "this is no Python": ("SyntaxError",),
}
"""What importing PyTorch does, and what the reason names."""


@contextmanager
def supervised(**settings):
    host = Supervisor(Settings(**settings))
    ended = threading.Event()
    host.on_given_up = ended.set
    host.start()
    yield host, ended


@pytest.mark.parametrize("code", FAILURES)
def test_whatever_fails_while_it_is_imported_is_told(tmp_path, monkeypatch, code):
    (tmp_path / "torch.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(supervisor, "_PAUSE_SECONDS", 0.1)
    with supervised(load_tries=1) as (host, ended):
        assert host.state == "starting"
        assert ended.wait(SECONDS) and host.has_given_up
        assert host.state == "failed" and all(words in host.failure for words in FAILURES[code]), host.failure
        with pytest.raises(NotReady):
            host.check()


def test_a_package_that_a_process_cannot_even_start_with(tmp_path, monkeypatch):
    """Its interpreter ends before the captioner's own code begins."""
    (tmp_path / "flask.py").write_text("raise ImportError('cannot import name app')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with supervised(load_tries=1) as (host, ended):
        assert ended.wait(SECONDS)
        assert "exit status 1" in host.failure and "cannot import name app" in host.failure


def test_no_process_can_be_started(monkeypatch, caplog):
    monkeypatch.setattr("service.engine.captioner_process.sys.executable", "/no/such/python")
    monkeypatch.setattr(supervisor, "_PAUSE_SECONDS", 0.1)
    with supervised(load_tries=2) as (host, ended):
        assert ended.wait(SECONDS) and "/no/such/python" in host.failure
    assert "(1 of 2)" in caplog.text and "(2 of 2)" in caplog.text


def failed(server):
    """The answer of /health that first says so; of several workers one may be as far before the others."""
    wait_until(lambda: "the captioner cannot be loaded" in server.log.read_text(), SECONDS)
    answers = []

    def says_so():
        answers.append(requests.get(server.url + "/health", timeout=10))
        return answers[-1].json()["status"] == "failed"

    wait_until(says_so, SECONDS)
    assert answers[-1].status_code == 503
    return answers[-1].json()


@pytest.fixture
def broken(tmp_path):
    """A PyTorch that ends its process."""
    file = tmp_path / "torch.py"
    file.write_text("import os; os._exit(7)")
    return file


def test_the_server_tells_what_fails_and_ends_with_an_exit_status(tmp_path, broken):
    with running_server(tmp_path, PYTHONPATH=str(tmp_path), CAPTION_LOAD_TRIES="1", CAPTION_WORKERS="2") as server:
        assert "exit status 7" in failed(server)["message"]
        refused = requests.post(server.url + "/predict", files={"image": CAT}, timeout=10)
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "not_ready"
        assert server.process.wait(SECONDS) == 3


def test_what_comes_in_time_is_used(tmp_path, broken):
    """A drive that is mounted late, a package that is mended."""
    with running_server(tmp_path, PYTHONPATH=str(tmp_path), CAPTION_LOAD_TRIES="2") as server:
        assert "exit status 7" in failed(server)["message"]
        broken.unlink()
        server.wait_until_healthy()
        assert "message" not in server.health()
