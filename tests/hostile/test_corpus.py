"""The whole corpus against a real server: what is answered, what is written, how much memory it takes."""

import json
from collections import Counter
from pathlib import Path

import pytest
import requests

from benchmarks.server import running_server
from tests.hostile.corpus import corpus
from tests.hostile.shapes import answer_to, shapes
from tests.hostile.watching import Watched
from tests.pictures import encoded, photograph

_MEMORY = Path("/dev/shm")
_AT_MOST = 1_500_000_000  # bytes more than before, all processes together, at the peak
_QUICK = {"method": "greedy", "max_words": "1", "include_image": "false"}
GOOD = encoded(photograph("chelsea"), "JPEG")


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    """Its log goes to memory: it would count as written."""
    folder = _MEMORY / tmp_path_factory.mktemp("hostile").name if _MEMORY.is_dir() else tmp_path_factory.mktemp("log")
    folder.mkdir(exist_ok=True)
    with running_server(folder, PYTHONDONTWRITEBYTECODE="1") as server:
        server.wait_until_healthy()
        yield server
    server.log.unlink()
    folder.rmdir()


@pytest.fixture
def unharmed(own_server):
    """The same processes afterwards, which wrote nothing to any disk and took a bounded amount of memory."""
    expected = _caption(own_server)
    before = Watched.of(own_server.process.pid)
    written, peak = before.bytes_written_to_disk(), before.peak_memory()
    yield
    assert _caption(own_server) == expected
    after = Watched.of(own_server.process.pid)
    assert after.pids == before.pids
    assert after.bytes_written_to_disk() == written
    assert after.peak_memory() - peak < _AT_MOST


def _caption(server):
    answer = requests.post(server.url + "/predict", files={"image": GOOD}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["caption"]


@pytest.mark.filterwarnings("ignore:IM image format is deprecated")
@pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated")  # pillow-heif, where it is installed
def test_the_corpus_is_answered(own_server, unharmed):
    wrong, counts = [], Counter()
    with requests.Session() as session:
        for case in corpus():
            files = {"image": ("holiday.jpg", case.data)}  # the name is the same, whatever it is
            answer = session.post(own_server.url + "/predict", files=files, data=_QUICK, timeout=60)
            body = answer.json()
            counts[case.kind, answer.status_code] += 1
            told = "caption" in body if answer.status_code == 200 else {"code", "message"} <= body["error"].keys()
            if answer.status_code not in case.statuses or not told:
                wrong.append((case.kind, case.name, answer.status_code, answer.text[:200]))
    assert wrong == []
    assert sum(counts.values()) > 500
    assert {status for _, status in counts} == {200, 400, 415, 422}
    print("\n" + json.dumps({f"{kind}, {status}": count for (kind, status), count in sorted(counts.items())}, indent=1))


def test_requests_of_hostile_shapes_are_answered(own_server, unharmed):
    found = {shape.name: answer_to(own_server.port, shape.request) for shape in shapes(GOOD)}
    expected = {shape.name: shape.statuses for shape in shapes(GOOD)}
    assert {name: status for name, (status, _) in found.items() if status not in expected[name]} == {}
    refusals = [answer["error"] for status, answer in found.values() if status != 200]
    assert refusals and all(error.keys() == {"code", "message", "request_id"} for error in refusals)
