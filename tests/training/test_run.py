import torch

from training.run import _between, _move_average


def test_the_average_soon_forgets_where_it_began_and_moves_slowly_later():
    average, weight = [torch.zeros(1)], [torch.ones(1)]
    for step in range(1, 101):
        _move_average(0.998, average, weight, torch.tensor(step))
    assert average[0] > 0.99
    before = float(average[0])
    _move_average(0.998, average, [torch.zeros(1)], torch.tensor(100_000))
    assert abs(float(average[0]) - 0.998 * before) < 1e-6


def test_the_mean_of_two_sets_of_weights():
    ours, theirs = ({"w": torch.full((2,), value), "count": torch.tensor(3)} for value in (1.0, 3.0))
    mean = _between(ours, theirs, 0.25)
    assert mean["w"].tolist() == [1.5, 1.5] and mean["count"] == 3 and ours["w"].tolist() == [1.0, 1.0]
