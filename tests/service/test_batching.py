"""The queue by itself: who is taken together, in which order, and who is turned away."""

import threading
import time

import pytest
from PIL import Image

from model.captioner import DecodingOptions
from service.engine.batching import Busy, Queue

BEAM, GREEDY = DecodingOptions(), DecodingOptions(method="greedy")
PICTURE = Image.new("RGB", (2, 2))
LONG = 60.0


def queue(capacity=100, max_batch=3, max_wait=LONG):
    return Queue(capacity, max_batch, max_wait)


def put(queue, *options):
    works = [queue.admit(1, one)[0] for one in options]
    for work in works:
        queue.put(work, PICTURE)
    return works


def test_a_lone_photograph_does_not_wait():
    waiting = queue()
    works = put(waiting, BEAM)
    assert waiting.take(0) == works  # or it would take a minute


def test_oldest_first_and_only_equal_options_together():
    waiting = queue()
    first, other, second, third, fourth = put(waiting, BEAM, GREEDY, BEAM, DecodingOptions(), BEAM)
    assert waiting.take(0) == [first, second, third]
    assert waiting.take(0) == [other]
    assert waiting.take(0) == [fourth]
    assert waiting.take(0) == []


def test_it_waits_for_photographs_that_are_being_decoded():
    waiting = queue()
    first, arriving = *put(waiting, BEAM), *waiting.admit(1, BEAM)
    threading.Timer(0.05, waiting.put, [arriving, PICTURE]).start()
    assert waiting.take(0) == [first, arriving]


def test_it_does_not_wait_for_long():
    waiting = queue(max_wait=0.05)
    first, arriving = *put(waiting, BEAM), *waiting.admit(1, BEAM)
    assert waiting.take(0) == [first]
    waiting.put(arriving, PICTURE)
    assert waiting.take(0) == [arriving]


def test_it_does_not_wait_for_what_cannot_be_decoded_or_does_not_come():
    waiting = queue()
    [first], [refused, gone] = put(waiting, BEAM), waiting.admit(2, BEAM)
    refused.answer.set_exception(ValueError())
    threading.Timer(0.05, waiting.release, [[gone]]).start()
    assert waiting.take(0) == [first]


def test_a_full_queue_turns_away_until_a_place_is_given_back():
    waiting = queue(capacity=3)
    works = waiting.admit(3, BEAM)
    with pytest.raises(Busy):
        waiting.check()
    waiting.release(works[:1])
    with pytest.raises(Busy):
        waiting.admit(2, BEAM)  # all or none
    waiting.admit(1, BEAM)
    assert waiting.under_way == 3


def test_what_is_released_is_not_captioned():
    waiting = queue()
    first, second = put(waiting, BEAM, BEAM)
    waiting.release([first])
    assert waiting.depth == 1 and waiting.take(0) == [second]


def test_what_the_captioner_failed_of_is_next_and_alone():
    waiting = queue()
    first, second, third = put(waiting, BEAM, BEAM, BEAM)
    batch = waiting.take(0)
    [later] = put(waiting, BEAM)
    for work in batch:
        work.failures = 1
    waiting.release([second])  # its client left meanwhile
    waiting.requeue(batch)
    assert [waiting.take(0) for _ in range(3)] == [[first], [third], [later]]


def test_nothing_waits():
    waiting = queue()
    began = time.monotonic()
    assert waiting.take(0.05) == []
    assert time.monotonic() - began >= 0.05


def test_the_depth_is_told():
    told = []
    waiting = Queue(10, 8, 0, told.append)
    put(waiting, BEAM, BEAM)
    waiting.take(0)
    assert told == [1, 2, 0]
