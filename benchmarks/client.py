"""Clients of a server, all in one process of their own: python -m benchmarks.client --url URL

Each sends a photograph, waits for the answer and sends the next. Prints an `Outcome` as JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import tyro

from benchmarks.asking import DOORS
from benchmarks.photographs import photographs

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Config:
    url: str
    clients: int = 1
    seconds: float = 10
    """Afterwards nothing more is sent; what is under way is waited for."""
    requests: int = 0
    """If above 0: so many instead, however long they take."""
    photographs: int = 64
    door: str = "/predict"
    """One of asking.DOORS."""
    expected: Path | None = None
    """JSON from `alone`: what each photograph is answered."""


@dataclass
class Outcome:
    seconds: float = 0.0
    """From the first request to the last answer."""
    statuses: dict[str, int] = field(default_factory=dict)
    """How many answers by HTTP status; those that never came by the error's name."""
    wrong: int = 0
    """Answers that are not their photograph's."""
    latencies: list[float] = field(default_factory=list)
    """Seconds, of those with status 200."""

    @property
    def rate(self) -> float:
        """Captions a second."""
        return len(self.latencies) / self.seconds


async def send(config: Config) -> Outcome:
    path, request_of = DOORS[config.door]
    requests = [request_of(photograph) for photograph in photographs(config.photographs)]
    expected = json.loads(config.expected.read_text()) if config.expected else None
    outcome, statuses, numbers = Outcome(), Counter[str](), itertools.count()
    began = perf_counter()

    async def work(client: httpx.AsyncClient) -> None:
        for number in numbers:
            if number >= config.requests if config.requests else perf_counter() - began > config.seconds:
                break
            which, sent = number % len(requests), perf_counter()
            try:
                answer = await client.post(config.url + path, **requests[which])
            except httpx.TransportError as error:
                statuses[type(error).__name__] += 1
                continue
            statuses[str(answer.status_code)] += 1
            if answer.status_code == 200:
                outcome.latencies.append(perf_counter() - sent)
                outcome.wrong += expected is not None and not same(answer.json(), expected[which])
            else:
                await asyncio.sleep(0.2)  # nobody who is refused comes back at once

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:
        await asyncio.gather(*(work(client) for _ in range(config.clients)))
    outcome.seconds, outcome.statuses = perf_counter() - began, dict(statuses)
    return outcome


def same(answer: dict[str, Any], expected: dict[str, Any]) -> bool:
    """The same words, about as likely: another photograph with the same caption has another probability."""
    scores = [one["captions"][0]["log_probability"] for one in (answer, expected)]
    return bool(answer["caption"] == expected["caption"]) and abs(scores[0] - scores[1]) < 0.05


def alone(url: str, count: int) -> list[dict[str, Any]]:
    """What each of the photographs is answered when nothing else is asked."""
    with httpx.Client(timeout=120) as client:
        path, request_of = DOORS["/predict"]
        answers = [client.post(url + path, **request_of(photograph)) for photograph in photographs(count)]
    return [answer.raise_for_status().json() for answer in answers]


class Clients:
    """The process; `outcome` waits for it."""

    def __init__(self, config: Config) -> None:
        given = {name: value for name, value in asdict(config).items() if value is not None}
        arguments = [f"--{name}={value}" for name, value in given.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.client", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )

    def outcome(self) -> Outcome:
        printed, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError("the clients ended with an error; it stands above")
        return Outcome(**json.loads(printed))


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(send(tyro.cli(Config, description=__doc__))))))
