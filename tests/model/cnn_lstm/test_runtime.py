"""The fused operators compute what the modules that were trained compute."""

import pytest
import torch

from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.runtime import PackedDecoder, PackedEncoder, can_pack, multiplies_bfloat16
from model.cnn_lstm.vocabulary import START

pytestmark = pytest.mark.skipif(not can_pack(), reason="this PyTorch is built without oneDNN")

ROUNDING = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Of a value, as a share of the values' deviation."""


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def dtype(request):
    if request.param == torch.bfloat16 and not multiplies_bfloat16():
        pytest.skip("this processor does not multiply bfloat16")
    return request.param


@pytest.fixture(scope="module", params=["3x3", "1x1"])
def encoder(request):
    """With statistics as training leaves them, not those of a new network, whose batch norm does nothing."""
    torch.manual_seed(1)
    encoder = Encoder(request.param).eval().requires_grad_(False)
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return encoder


def differ(found, expected):
    """The largest difference, as a share of the expected values' deviation."""
    return float((found.float() - expected).abs().max() / expected.std())


@torch.inference_mode()
@pytest.mark.parametrize("images", [1, 3])
def test_the_encoder(encoder, dtype, images):
    pixels = torch.randn(images, 3, 96, 96)
    before, expected = pixels.clone(), encoder(pixels)
    packed = PackedEncoder(encoder, 96, dtype)
    found = packed(pixels)
    assert found.dtype == dtype and found.shape == expected.shape
    assert differ(found, expected) < 5 * ROUNDING[dtype]  # through fifty convolutions
    assert torch.equal(packed(pixels), found) and torch.equal(pixels, before)


@torch.inference_mode()
def test_the_decoder(dtype):
    """Word by word, from beams that are exchanged, with an image that leaves."""
    torch.manual_seed(0)
    decoder = Decoder(DecoderConfig(30, feature_channels=16, embedding=8, hidden=12)).eval()
    packed = PackedDecoder(decoder, dtype)
    features = torch.randn(3, 5, 16)
    state, other = decoder.init_state(features), packed.init_state(features)
    tokens = torch.full((3,), START)
    for rows in ([0, 0, 1, 1, 2, 2], [1, 1, 3, 2, 4, 4], [2, 3, 5, 4], [0, 1, 3, 3]):
        expected, state, attention = decoder.step(tokens, state)
        logits, other, looked = packed.step(tokens, other)
        assert differ(logits.log_softmax(1), expected) < ROUNDING[dtype]
        assert torch.allclose(looked, attention, atol=ROUNDING[dtype])
        state, other = state.select(torch.tensor(rows)), other.select(torch.tensor(rows))
        tokens = torch.randint(4, 30, (len(rows),))
    assert len(state.values) == len(other.values) == 2
