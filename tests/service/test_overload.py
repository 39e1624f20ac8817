"""More than the captioner can do, and captioners that stop, die or hang: what was accepted is answered, and right.

The captioner is stopped by SIGSTOP, so that requests surely wait for it.
"""

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from benchmarks.server import Server, running_server
from tests.conftest import wait_until
from tests.pictures import encoded, photograph

PLACES = 8
NAMES = ("chelsea", "astronaut", "coffee", "rocket")


@pytest.fixture(scope="module")
def pictures():
    return [encoded(photograph(name).resize((300, 200)), "JPEG") for name in NAMES]


def predict(server, picture, **form):
    form = {"include_image": "false"} | form
    return requests.post(server.url + "/predict", files={"image": picture}, data=form, timeout=300)


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A server with few places and much time."""
    folder = tmp_path_factory.mktemp("patient")
    with running_server(folder, CAPTION_MAX_QUEUE=str(PLACES), CAPTION_DEADLINE_SECONDS="200") as server:
        server.wait_until_healthy()
        yield server


@pytest.fixture(scope="module")
def alone(patient, pictures):
    """Each photograph's answer when nothing else is asked."""
    return [predict(patient, picture).json()["captions"] for picture in pictures]


@contextmanager
def stopped(server: Server):
    """The captioner does nothing meanwhile; where it is killed, another does."""
    pid = server.captioner
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        if server.captioner == pid:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def full(server: Server, pictures):
    """All places are taken; gives the stopped captioner's process and the answers to come."""
    with ThreadPoolExecutor(PLACES) as clients, stopped(server) as pid:
        answers = [clients.submit(predict, server, pictures[i % len(pictures)]) for i in range(PLACES)]
        wait_until(lambda: server.health()["state"] == "busy")
        yield pid, answers


def kill(server: Server, captioner: int) -> None:
    os.kill(captioner, signal.SIGKILL)
    wait_until(lambda: server.health()["state"] == "starting")


def assert_right(answers, alone):
    for place, answer in enumerate(answers):
        assert answer.status_code == 200, answer.text
        expected = alone[place % len(alone)]
        for mine, other in zip(answer.json()["captions"], expected, strict=True):
            assert mine["text"] == other["text"]
            for a, b in zip(mine["words"], other["words"], strict=True):
                assert a["probability"] == pytest.approx(b["probability"], abs=1e-3)


def test_a_full_queue_is_told_at_once_and_the_others_are_answered(patient, pictures, alone):
    with full(patient, pictures) as (_, answers):
        refused = predict(patient, pictures[0])
        assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
        assert refused.json()["error"]["code"] == "busy"
        several = requests.post(patient.url + "/predict/batch", files={"image": pictures[0]}, timeout=60)
        assert several.status_code == 503 and several.json()["error"]["code"] == "busy"
        assert requests.get(patient.url + "/health", timeout=10).status_code == 200
        assert not any(answer.done() for answer in answers)
    assert_right([answer.result() for answer in answers], alone)
    assert patient.health()["state"] == "ready"


def test_those_that_waited_were_answered_together_and_as_if_alone(patient, pictures, alone):
    with full(patient, pictures) as (_, futures):
        pass
    answers = [future.result() for future in futures]
    assert_right(answers, alone)
    together = [answer.json()["timing_ms"]["encoder"] for answer in answers]  # one measurement a batch
    assert max(together.count(time) for time in together) > 1


def test_samples_do_not_depend_on_who_is_beside_them(patient, pictures):
    options = {"method": "sample", "seed": "7", "num_captions": "3"}
    lone = [predict(patient, picture, **options).json()["captions"] for picture in pictures]
    files = [("image", ("a.jpg", picture)) for picture in pictures]
    answer = requests.post(patient.url + "/predict/batch", files=files, data=options, timeout=300).json()
    for beside, by_itself in zip(answer["results"], lone, strict=True):
        assert [c["text"] for c in beside["captions"]] == [c["text"] for c in by_itself]


def test_clients_that_leave_give_their_places_back(patient, pictures, alone):
    body = requests.Request("POST", patient.url + "/predict", files={"image": pictures[0]}).prepare()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: {body.headers['Content-Type']}\r\n"
    head += f"Content-Length: {len(body.body)}\r\n\r\n"
    with stopped(patient):
        clients = [socket.create_connection(("127.0.0.1", patient.port)) for _ in range(PLACES)]
        for client in clients:
            client.sendall(head.encode() + body.body)
        wait_until(lambda: patient.health()["state"] == "busy")
        for client in clients:
            client.close()
        wait_until(lambda: patient.health()["state"] == "ready")
    assert_right([predict(patient, pictures[0])], alone)


def test_a_killed_captioner_loses_nothing(patient, pictures, alone):
    with full(patient, pictures) as (pid, answers):
        kill(patient, pid)
    assert_right([answer.result() for answer in answers], alone)
    assert patient.captioner != pid


def test_a_photograph_that_kills_twice_is_refused_alone(patient, pictures, alone):
    """Killed once with a batch, and once more while the next captioner has the first of it. Where the second kill
    comes too late nothing is lost, and it is tried again: nothing can hold the next captioner at that moment.
    """
    for _ in range(20):
        answers = killed_twice(patient, pictures)
        if not all(answer.ok for answer in answers):
            break
        assert_right([*answers, predict(patient, pictures[0])], alone)  # the last one waits for the next captioner
    [failed] = [answer for answer in answers if not answer.ok]
    assert failed.status_code == 500 and failed.json()["error"]["code"] == "captioning_failed"
    others = [(answer, alone[i % len(alone)]) for i, answer in enumerate(answers) if answer is not failed]
    assert_right([answer for answer, _ in others], [expected for _, expected in others])


def killed_twice(server, pictures):
    with full(server, pictures) as (pid, answers):
        kill(server, pid)
        wait_until(lambda: server.health()["state"] != "starting")
        os.kill(server.captioner, signal.SIGKILL)
    return [answer.result() for answer in answers]


def test_an_idle_captioner_that_is_killed_is_replaced(patient, pictures, alone):
    kill(patient, patient.captioner)
    assert_right([predict(patient, pictures[0])], alone)  # it waits for the next captioner


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server that gives up soon."""
    folder = tmp_path_factory.mktemp("hasty")
    with running_server(folder, CAPTION_DEADLINE_SECONDS="3", CAPTION_HUNG_AFTER_SECONDS="8") as server:
        server.wait_until_healthy()
        yield server


def test_a_captioner_that_hangs_costs_504_and_is_replaced(hasty, pictures):
    hung = hasty.captioner
    os.kill(hung, signal.SIGSTOP)
    late = predict(hasty, pictures[0])
    assert late.status_code == 504 and late.json()["error"]["code"] == "deadline_exceeded"
    files = [("image", ("a.jpg", pictures[0])), ("image", ("b.txt", b"no image"))]
    several = requests.post(hasty.url + "/predict/batch", files=files, timeout=60)
    assert [result["error"]["code"] for result in several.json()["results"]] == ["deadline_exceeded", "not_an_image"]
    wait_until(lambda: hasty.captioner not in (hung, None))
    hasty.wait_until_healthy()
    wait_until(lambda: predict(hasty, pictures[0]).ok)


def test_no_captioner_outlives_its_worker(hasty):
    """Not even one that could not notice it."""
    worker, captioner = hasty.worker, hasty.captioner
    os.kill(captioner, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{captioner}").exists())
    wait_until(lambda: hasty.captioner not in (captioner, None))  # gunicorn has started another worker
    hasty.wait_until_healthy()
