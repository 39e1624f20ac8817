import pytest

from training.running.time_left import seconds_by_stage, time_left

HISTORY = [
    {"stage": "first", "seconds": 90.0, "evaluation_seconds": 10.0},
    {"stage": "first", "seconds": 70.0, "evaluation_seconds": 10.0},
    {"stage": "second", "seconds": 200.0},  # of a version that did not measure all
]


def test_an_epoch_takes_what_the_last_of_its_stage_took():
    assert seconds_by_stage(HISTORY) == {"first": 80.0}


@pytest.mark.parametrize(
    ("epochs", "elapsed", "said"),
    [
        ({"first": 3, "second": 0, "third": 0}, 0, "0:04:00"),
        ({"first": 3, "second": 0, "third": 0}, 50, "0:03:10"),
        ({"first": 1, "second": 2, "third": 1}, 100, "0:00:00 + second + third"),
        ({"first": 0, "second": 2, "third": 1}, 0, "second + third"),
        ({"first": 0, "second": 0, "third": 0}, 0, ""),
    ],
)
def test_what_is_left(epochs, elapsed, said):
    assert time_left(epochs, seconds_by_stage(HISTORY), elapsed) == said
