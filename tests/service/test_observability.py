"""Counts, lines and identifiers, with two workers: whichever is asked answers for both, also when one was replaced."""

import json
import os
import re
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.server import descendants, running_server
from model.errors import SettingRefused
from service.observability import metrics
from service.observability.logs import configuration
from tests.conftest import wait_until
from tests.pictures import drawn, encoded

GOOD = encoded(drawn(64, 64), "JPEG")
WORKERS = 2


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A server with two workers that are both ready."""
    with running_server(tmp_path_factory.mktemp("pair"), CAPTION_WORKERS=str(WORKERS)) as server:
        server.wait_until_healthy()
        wait_until(lambda: sum("ready:" in line["message"] for line in lines(server)) == WORKERS)
        folder = folder_of(server)
        assert folder.is_dir()
        yield server
    assert not folder.exists()


def folder_of(server):
    """Where its counts are, which its first process holds open; None before there is one."""
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(OSError):  # closed in between
            path = descriptor.readlink()
            if path.match("/dev/shm/image-captioner-metrics-*"):
                return path
    return None


def lines(server):
    return [json.loads(line) for line in server.log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def answered(server, path):
    return [line for line in lines(server) if line["message"] == "answered" and line["path"] == path]


def samples(server):
    """The metrics' values by name and labels; each is told once."""
    text = requests.get(server.url + "/metrics", timeout=10).text
    found = [
        (one.name, frozenset(one.labels.items()), one.value)
        for f in text_string_to_metric_families(text)
        for one in f.samples
    ]
    assert len({(name, labels) for name, labels, _ in found}) == len(found)
    return {(name, labels): value for name, labels, value in found}


def count(metrics, metric, /, **labels):
    return metrics.get((metric, frozenset(labels.items())), 0)


def predict(server, image=GOOD, **request):
    return requests.post(server.url + "/predict", files={"image": image}, timeout=60, **request)


def test_counts_add_up_over_workers_and_survive_one(pair):
    before = samples(pair)
    asked = 0
    while len({line["process"] for line in answered(pair, "/predict")}) < WORKERS or asked < 6:
        assert predict(pair).status_code == 200
        asked += 1
        assert asked < 200, "one worker never got a request"
    files = [("image", GOOD)] * 3
    assert requests.post(pair.url + "/predict/batch", files=files, timeout=60).ok
    assert predict(pair, b"no image").status_code == 415
    for _ in range(4):  # whoever answers
        check_counts(before, samples(pair), asked)
    assert count(samples(pair), "caption_queue_depth") == 0

    [victim, *_] = {line["process"] for line in answered(pair, "/predict")}
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in descendants(pair.process.pid))
    wait_until(lambda: sum("ready:" in line["message"] for line in lines(pair)) == WORKERS + 1)
    for _ in range(4):
        check_counts(before, samples(pair), asked)
    assert predict(pair).status_code == 200
    check_counts(before, samples(pair), asked + 1)


def check_counts(before, now, asked):
    def more(name, **labels):
        return count(now, name, **labels) - count(before, name, **labels)

    assert more("caption_requests_total", endpoint="/predict", status="200") == asked
    assert more("caption_requests_total", endpoint="/predict", status="415") == 1
    assert more("caption_requests_total", endpoint="/predict/batch", status="200") == 1
    photographs = asked + 3
    for stage in ("decode", "queue", "encoder", "decoder"):
        assert more("caption_stage_seconds_count", stage=stage) == photographs, stage
        assert more("caption_stage_seconds_sum", stage=stage) >= 0
    assert more("caption_stage_seconds_count", stage="total") == asked + 1
    assert more("caption_stage_seconds_bucket", stage="total", le="+Inf") == asked + 1
    assert more("caption_batch_size_sum") == photographs


def test_which_model(pair):
    health = pair.health()
    labels = {"name": health["model"], "digest": health["digest"], "device": health["device"]}
    assert count(samples(pair), "caption_model_info", **labels) == 1


def test_what_is_not_there_makes_no_labels(pair):
    assert requests.get(f"{pair.url}/nothing", timeout=10).status_code == 404
    before = len(samples(pair))
    for n in range(4):
        assert requests.get(f"{pair.url}/nothing-{n}", timeout=10).status_code == 404
    now = samples(pair)
    assert count(now, "caption_requests_total", endpoint="unmatched", status="404") == 5 and len(now) <= before + 1


def test_a_line_for_each_request(pair):
    secrets = {"X-API-Key": "a-secret", "Authorization": "Bearer another-secret"}
    answer = requests.post(
        pair.url + "/predict?beam_size=2",
        files={"image": ("holiday-in-Rome.jpg", GOOD)},
        headers=secrets | {"X-Request-ID": "trace.1:a-b_c"},
        timeout=60,
    )
    assert answer.headers["X-Request-ID"] == "trace.1:a-b_c"
    wait_until(lambda: "trace.1:a-b_c" in pair.log.read_text())
    [line] = [line for line in answered(pair, "/predict") if line["request_id"] == "trace.1:a-b_c"]
    assert (line["method"], line["status"], line["batch"]) == ("POST", 200, 1)
    assert {"decode", "queue", "encoder", "decoder"} <= set(line["stages"])
    assert line["milliseconds"] >= line["stages"]["encoder"] > 0
    log = pair.log.read_text()
    for secret in ("holiday", "Rome", "beam_size", "secret", "base64", answer.json()["caption"]):
        assert secret not in log


def test_every_line_is_json_gunicorns_too(pair):
    loggers = Counter(line["logger"] for line in lines(pair))
    assert loggers["gunicorn.error"] and loggers["service.observability.request_log"]
    assert all({"time", "level", "message", "process"} <= set(line) for line in lines(pair))


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, "ümlaut", '{"a":1}', "a\tb"])
def test_an_identifier_that_is_not_well_formed_is_replaced(pair, given):
    headers = {} if given is None else {"X-Request-ID": given.encode()}
    answer = requests.get(pair.url + "/nothing", headers=headers, timeout=10)
    identifier = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", identifier) and answer.json()["error"]["request_id"] == identifier


def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path):
    with running_server(tmp_path) as server:
        wait_until(lambda: folder_of(server))
        folder = folder_of(server)
        metrics.remove_folder(metrics.create_folder())
        assert folder.is_dir()  # its server lives
        os.killpg(server.process.pid, signal.SIGKILL)

    def swept():
        metrics.remove_folder(metrics.create_folder())
        return not folder.exists()

    wait_until(swept)


def test_the_form_of_the_log_is_checked():
    with pytest.raises(SettingRefused, match="CAPTION_LOG_FORMAT"):
        configuration("xml")
