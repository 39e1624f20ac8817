import pytest
import torch
from torchvision.models import resnet50

from model.cnn_lstm.encoder import STAGES, Encoder, Preprocessing
from tests.pictures import drawn


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(resnet50().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def encoder(weights):
    encoder = Encoder("3x3").eval()
    encoder.load_imagenet(weights)
    return encoder


def test_preprocessing_is_torchvisions():
    from torchvision.transforms import v2

    image = drawn(300, 200)
    theirs = v2.Compose(
        [
            v2.Resize((224, 224), interpolation=v2.InterpolationMode.BICUBIC),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    ours = Preprocessing()([image, image])
    assert ours.shape == (2, 3, 224, 224)
    assert torch.allclose(ours[1], theirs(image), atol=1e-5)


def test_a_photograph_becomes_49_cells_of_2048_channels(encoder):
    with torch.inference_mode():
        assert encoder(torch.randn(2, 3, 224, 224)).shape == (2, 49, 2048)


def test_it_is_torchvisions_network(encoder, weights):
    net = resnet50()
    net.load_state_dict(torch.load(weights, weights_only=True))
    net.eval()
    net.fc = torch.nn.Identity()
    pixels = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.allclose(encoder(pixels).mean(dim=1), net(pixels), atol=1e-4)


def test_the_stride_changes_the_result_not_the_shape(encoder, weights):
    other = Encoder("1x1").eval()
    other.load_imagenet(weights)
    pixels = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        assert other(pixels).shape == encoder(pixels).shape
        assert not torch.allclose(other(pixels), encoder(pixels), atol=1e-2)


def test_stages_can_be_run_in_parts(encoder):
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        for cut in range(len(STAGES) + 1):
            assert torch.equal(encoder(encoder.run_stages(pixels, last=cut), first_stage=cut), encoder(pixels))


def test_fine_tuning_touches_the_last_stages_and_no_batch_norm(weights):
    encoder = Encoder()
    encoder.load_imagenet(weights)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    encoder.freeze_all_but_last(2)
    encoder.train()
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.1)
    encoder(torch.randn(2, 3, 64, 64)).square().mean().backward()
    optimizer.step()
    changed = {name for name, tensor in encoder.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed and all(name.startswith(("stages.layer3", "stages.layer4")) for name in changed)
    assert not any("bn" in name or "downsample.1" in name for name in changed)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="resnet50"):
        Encoder().load_imagenet(tmp_path / "other.pth")
    with pytest.raises(ValueError, match="3x3"):
        Encoder("1x1").load_imagenet("imagenet")


def test_folding_the_batch_norm_changes_nothing():
    """With statistics as training leaves them, not those of a new network, whose batch norm does nothing."""
    torch.manual_seed(1)
    encoder = Encoder("1x1").eval()
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    folded = encoder.folded()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in encoder.modules())
    pixels = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        expected = encoder(pixels)
        assert torch.allclose(folded(pixels), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
