import torch

from training.running.moving_average import move_average


def test_the_average_soon_forgets_where_it_began_and_moves_slowly_later():
    average, weight = [torch.zeros(1)], [torch.ones(1)]
    for step in range(1, 101):
        move_average(0.998, average, weight, torch.tensor(step))
    assert average[0] > 0.99
    before = float(average[0])
    move_average(0.998, average, [torch.zeros(1)], torch.tensor(100_000))
    assert abs(float(average[0]) - 0.998 * before) < 1e-6
