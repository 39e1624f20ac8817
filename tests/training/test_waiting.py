"""A step of training asks nothing of a GPU, which would mean to wait for it.

The device is torch's "meta", which has shapes and no numbers: to look at one, or at a shape that depends on one, is an
error there. Photographs, captions and random numbers are on the CPU, as with a GPU.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder, Preprocessing
from model.cnn_lstm.vocabulary import Vocabulary
from tests.pictures import drawn
from training import engine
from training.batches import TrainingData
from training.data.features import CachedFeatures, OnlineFeatures
from training.data.records import Record
from training.engine import train_one_epoch
from training.objectives.captions import CrossEntropy, SelfCritical
from training.objectives.distillation import Distillation
from training.objectives.rewards import Reward
from training.running.moving_average import MovingAverage

CAPTIONS = ["a red dog runs", "two men sit on a bench", "a child", "the snow is white", "a cat sleeps"]
PREPROCESSING = Preprocessing(image_size=64)
META = torch.device("meta")


class Teacher:
    channels = 4

    def __call__(self, pixels):
        return torch.nn.functional.avg_pool2d(pixels, 32).flatten(2).mT @ torch.ones(3, 4, device=META)


@pytest.fixture
def records(tmp_path):
    for number in range(len(CAPTIONS)):
        drawn(64, 64).save(tmp_path / f"{number}.jpg")
    return [Record(f"{n}.jpg", tmp_path / f"{n}.jpg", "train", (text, text[:5])) for n, text in enumerate(CAPTIONS)]


@pytest.fixture
def nobody_looks(monkeypatch):
    """At the epoch's end the mean is asked for, once."""
    monkeypatch.setattr(engine._Sums, "mean", lambda self, seen: 0.0)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no "meta"


@pytest.mark.parametrize("objective", ["cross-entropy", "self-critical", "distillation"])
def test_a_step_waits_for_nothing(records, nobody_looks, tmp_path, objective):
    vocabulary = Vocabulary.build(CAPTIONS, 1)
    network = Network(Encoder(), Decoder(DecoderConfig(len(vocabulary), embedding=16, hidden=32))).to(META)
    distils = objective == "distillation"
    stages = 5 if distils else 1
    options = {"dataset_size": len(records), "last": 5 - stages, "device": META, "mixed_precision": False}
    online = OnlineFeatures(records, network.encoder, PREPROCESSING, tmp_path / "cache", **options)
    names = tuple(record.name for record in records)
    shape = (len(records), *((64, 64, 3) if distils else (4, 4, 1024)))
    kept = CachedFeatures(np.zeros(shape, dtype=np.float16), names, {})
    views = [online] if distils else [online, kept]
    data = TrainingData.of(records, vocabulary, views, pixels=distils)
    reward = Reward([[text[1:] for text in texts] for texts in data.captions], 0.5, META)
    rewarded = torch.tensor([True, False, True, True, False])
    learns = {
        "cross-entropy": lambda: CrossEntropy(0.1),
        "self-critical": lambda: SelfCritical(reward, samples=3, rewarded=rewarded, cross_entropy_weight=0.15),
        "distillation": lambda: Distillation(Teacher(), PREPROCESSING).to(META),
    }[objective]()
    parameters = [*network.parameters(), *(learns.parameters() if distils else ())]
    optimizer = torch.optim.SGD([{"params": parameters, "lr": 0.1, "initial_lr": 0.1}])
    average = MovingAverage(network, 0.9)
    seen = train_one_epoch(
        network,
        data,
        optimizer,
        learns,
        encoder_stages=stages,
        batch_size=3,
        gradient_norm=5.0,
        seed=1,
        learning_rate_at=lambda share: 1.0,
        mixed_precision=False,
        after_step=lambda: average.update(network),
    )
    assert seen == 0.0 and average.state_dict()["steps"] == 2
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):  # it would have been noticed
        torch.zeros(1, device=META).item()
