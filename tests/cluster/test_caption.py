"""A Ray cluster of several processes on this machine, one of which is killed at work."""

import json
import os
import re
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from cluster.job import DESCRIPTION
from collection.job import Job
from collection.walk import find_photographs
from model.captioner import DecodingOptions
from tests.conftest import ROOT
from tests.pictures import encoded, photograph

PHOTOGRAPHS = int(os.environ.get("CAPTION_TEST_PHOTOGRAPHS", "300"))
OPTIONS = DecodingOptions(method="greedy", max_words=8)
COMMAND = ["-m", "cluster.caption", "--format", "jsonl", "--method", "greedy", "--max-words", "8", "--device", "cpu"]
_DONE = re.compile(r"part (\d+): (\d+) photographs, (\d+) failed, by process (\d+) on ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Parts of photographs, no two alike, in folders; two of them are damaged."""
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(3)
    whole = [photograph(name) for name in ("chelsea", "astronaut", "coffee", "rocket")]
    for number in range(PHOTOGRAPHS):
        image = whole[number % len(whole)]
        side = int(random.integers(90, 250))
        left, top = int(random.integers(0, image.width - side)), int(random.integers(0, image.height - side))
        path = folder / f"{number // 70}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(image.crop((left, top, left + side, top + side)), "JPEG"))
    (folder / "0" / "cut.jpg").write_bytes((folder / "0" / "0.jpg").read_bytes()[:700])
    (folder / "zero.png").write_bytes(b"")
    return folder


def records(output: Path) -> list[dict]:
    """Of all parts in their order."""
    return [json.loads(line) for part in sorted(output.glob("part-*.jsonl")) for line in part.read_text().splitlines()]


@pytest.mark.timeout(600 + PHOTOGRAPHS)
def test_a_killed_worker_loses_nothing_and_repeats_nothing(folder, tmp_path, captioner):
    command = [sys.executable, *COMMAND, "--input", str(folder), "--output", str(tmp_path / "out")]
    parts, workers, killed = [], [], None
    command += ["--actors", "2", "--part-batches", "1"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        for line in process.stdout:
            if found := _DONE.match(line):
                part, _, _, worker = map(int, found.groups())
                parts.append(part)
                workers.append(worker)
                if killed is None:
                    killed = worker
                    os.kill(killed, signal.SIGKILL)  # it is at its next part already
    assert process.returncode == 1, (tmp_path / "log").read_text()  # two photographs are damaged
    assert sorted(parts) == list(range(-(-(PHOTOGRAPHS + 2) // 16)))
    assert len(set(workers)) == 3 and workers.count(killed) < len(parts) / 2  # another took its place

    paths = list(find_photographs([str(folder)]))
    expected = list(chain.from_iterable(Job(captioner, OPTIONS).run(paths)))
    found = records(tmp_path / "out")
    assert [record["path"] for record in found] == paths  # none lost, none twice
    assert [record.get("caption") for record in found] == [record.get("caption") for record in expected]
    assert [record.get("error") for record in found] == [record.get("error") for record in expected]
    assert sum("error" in record for record in found) == 2
    assert {path.suffix for path in (tmp_path / "out").iterdir() if path.name != DESCRIPTION} == {".jsonl"}
