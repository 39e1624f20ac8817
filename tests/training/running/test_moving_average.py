import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.running.moving_average import MovingAverage


def one(value):
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def test_the_average_soon_forgets_where_it_began_and_moves_slowly_later():
    average = MovingAverage(one(0.0), 0.998)
    average.update(one(0.0))
    for _ in range(100):
        average.update(one(1.0))
    reached = average.module.weight.item()
    assert reached > 0.99
    later = MovingAverage(one(0.0), 0.998, {"steps": torch.tensor(100_000), "weight": torch.tensor([[reached]])})
    later.update(one(0.0))
    assert later.module.weight.item() == pytest.approx(0.998 * reached, abs=1e-6)


def test_it_is_torchs_and_goes_on_from_its_state():
    """With a decay that is so small that it holds from the second step on; buffers are those of the network."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    ours, theirs = MovingAverage(network, 0.1), AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.1))
    for step in range(6):
        network(torch.randn(4, 3)).sum().backward()
        for parameter in network.parameters():
            parameter.data -= torch.randn_like(parameter)
        if step == 3:
            ours = MovingAverage(network, 0.1, copy.deepcopy(ours.state_dict()))
        ours.update(network)
        theirs.update_parameters(network)
    expected = theirs.module.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in ours.module.state_dict().items())
