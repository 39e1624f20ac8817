"""The network as a processor runs it fastest: oneDNN's fused operators on weights that were laid out for them once.

Otherwise PyTorch lays out the weights of a convolution anew at every call, and goes over the memory once more for batch
norm, for ReLU and for the sum of a residual block. The operators are those that torch.compile writes for a processor;
to call them takes neither its C++ compiler nor its minutes. docs/benchmarks.md has what else was measured.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from model.cnn_lstm.decoder import Decoder, select_images
from model.cnn_lstm.encoder import Encoder

_operators: Any = torch.ops.mkldnn


def can_pack() -> bool:
    """Whether PyTorch was built with oneDNN: on x86 and most ARM processors it is."""
    return torch.backends.mkldnn.is_available() and hasattr(_operators, "_convolution_pointwise")


def multiplies_bfloat16() -> bool:
    """Whether the processor has matrix arithmetic in bfloat16 (AMX). Where it has not, single precision is faster, also
    where there are vector instructions for bfloat16 (AVX-512 BF16).
    """
    return can_pack() and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


class PackedConvolution:
    """A convolution with bias; then, in the same pass, the sum with a residual and ReLU."""

    def __init__(self, convolution: nn.Conv2d, input_size: list[int], dtype: torch.dtype) -> None:
        c = convolution
        assert c.bias is not None
        self.settings = [list(cast(tuple[int, ...], part)) for part in (c.padding, c.stride, c.dilation)]
        weight = c.weight.detach().to(dtype, memory_format=torch.channels_last)
        self.weight = _operators._reorder_convolution_weight(weight, *self.settings, c.groups, input_size)
        self.bias, self.groups = c.bias.detach().to(dtype), c.groups

    def __call__(self, inputs: Tensor, activation: str = "relu") -> Tensor:
        output: Tensor = _operators._convolution_pointwise(
            inputs, self.weight, self.bias, *self.settings, self.groups, activation, [], ""
        )
        return output

    def add_to(self, residual: Tensor, inputs: Tensor) -> Tensor:
        """ReLU of the sum, in the residual's memory."""
        output: Tensor = _operators._convolution_pointwise_.binary(
            residual, inputs, self.weight, self.bias, *self.settings, self.groups, "add", 1.0, "relu", [], ""
        )
        return output


class PackedBlock:
    """ResNet's bottleneck (He et al. 2015, figure 5)."""

    def __init__(self, block: Bottleneck, sizes: dict[nn.Module, list[int]], dtype: torch.dtype) -> None:
        def packed(convolution: nn.Conv2d) -> PackedConvolution:
            return PackedConvolution(convolution, sizes[convolution], dtype)

        self.first, self.second, self.third = packed(block.conv1), packed(block.conv2), packed(block.conv3)
        self.shortcut = packed(block.downsample[0]) if block.downsample else None

    def __call__(self, inputs: Tensor) -> Tensor:
        """The inputs' memory may be used for the output."""
        inside = self.second(self.first(inputs))
        return self.third.add_to(self.shortcut(inputs, "none") if self.shortcut else inputs, inside)


class PackedEncoder:
    """`model.cnn_lstm.encoder.Encoder` for inference: the same function, up to rounding in `dtype`."""

    def __init__(self, encoder: Encoder, image_size: int, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype
        folded = encoder.folded().cpu()
        sizes = _input_sizes(folded, image_size)
        stem, *stages = list[Any](folded.stages)
        self.stem = PackedConvolution(stem.conv1, sizes[stem.conv1], dtype)
        self.pool: nn.MaxPool2d = stem.maxpool
        self.blocks = [PackedBlock(block, sizes, dtype) for stage in stages for block in stage]

    def __call__(self, pixels: Tensor) -> Tensor:
        """(batch, 3, height, width) to grid features (batch, cells, channels), in `dtype`."""
        grid: Tensor = self.pool(self.stem(pixels.to(self.dtype, memory_format=torch.channels_last)))
        for block in self.blocks:
            grid = block(grid)
        return grid.flatten(2).transpose(1, 2)


def _input_sizes(encoder: Encoder, image_size: int) -> dict[nn.Module, list[int]]:
    """What each convolution gets of one photograph: for that size its weights are laid out."""
    sizes: dict[nn.Module, list[int]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sizes[module] = list(inputs[0].shape)

    hooks = [m.register_forward_pre_hook(note) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        encoder(torch.zeros(1, 3, image_size, image_size).to(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    return sizes


class PackedLinear:
    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        self.weight = _operators._reorder_linear_weight(weight.detach().to(dtype).contiguous(), None)
        self.bias = bias if bias is None else bias.detach().to(dtype)

    def __call__(self, inputs: Tensor, activation: str = "none") -> Tensor:
        """(…, in) to (…, out)."""
        output: Tensor = _operators._linear_pointwise(inputs, self.weight, self.bias, activation, [], "")
        return output


class PackedState(NamedTuple):
    """All that the next step depends on: `rows` hypotheses, those of an image consecutive and equally many."""

    values: Tensor  # (images, cells, hidden): the projected features
    given: Tensor  # (images, 4 * hidden): what they add to the first layer's gates at every step
    hidden: tuple[Tensor, Tensor]  # first and second layer, each (rows, hidden)
    cell: tuple[Tensor, Tensor]  # in single precision

    def select(self, rows: Tensor) -> PackedState:
        """See `model.cnn_lstm.decoder.DecoderState.select`."""
        values, given = select_images(rows, len(self.cell[0]), self.values, self.given)
        (hidden1, hidden2), (cell1, cell2) = self.hidden, self.cell
        return PackedState(values, given, (hidden1[rows], hidden2[rows]), (cell1[rows], cell2[rows]))


class PackedDecoder:
    """`model.cnn_lstm.decoder.Decoder` for inference: the same function, up to rounding in `dtype`.

    What a word adds to the gates and to the output is looked up, and what the mean feature adds is computed once an
    image; a layer's two matrices are one.
    """

    def __init__(self, decoder: Decoder, dtype: torch.dtype = torch.float32) -> None:
        self.dtype, self.hidden = dtype, decoder.config.hidden
        width, words = self.hidden, decoder.embedding.weight.detach()
        first, second = cast(tuple[nn.LSTMCell, nn.LSTMCell], tuple(decoder.layers))
        # The first layer's inputs: the other layer's state, the mean feature, the word.
        from_other, from_mean, from_word = first.weight_ih.split([width, width, words.shape[1]], 1)
        project, query = cast(nn.Linear, decoder.project[0]), decoder.attention.query
        self.project = PackedLinear(project.weight, project.bias, dtype)
        self.mean = PackedLinear(from_mean, None, dtype)
        self.first_bias = (first.bias_ih + first.bias_hh).detach()
        self.word_gates = (words @ from_word.T).detach().to(dtype)
        self.word_output = decoder.last_word(words).detach().to(dtype)
        self.first = PackedLinear(torch.cat([from_other, first.weight_hh], dim=1), None, dtype)
        self.second = PackedLinear(
            torch.cat([second.weight_ih, second.weight_hh], dim=1), second.bias_ih + second.bias_hh, dtype
        )
        self.query = PackedLinear(query.weight * decoder.attention.scale, query.bias * decoder.attention.scale, dtype)
        self.output = PackedLinear(decoder.output.weight, decoder.output.bias, dtype)

    def init_state(self, features: Tensor) -> PackedState:
        """The state before the first word, from grid features (images, cells, channels)."""
        values = self.project(features.to(self.dtype), "relu")
        given = self.first_bias.expand(len(values), -1) + self.mean(values.mean(dim=1))
        zero = values.new_zeros(len(values), self.hidden)
        return PackedState(values, given, (zero, zero), (zero.float(), zero.float()))

    def step(self, tokens: Tensor, state: PackedState) -> tuple[Tensor, PackedState, Tensor]:
        """As `model.cnn_lstm.decoder.Decoder.step`, but for a constant of each row: unnormalised log-probabilities."""
        hidden2 = state.hidden[1]
        hidden1, cell1 = self._first(tokens, hidden2, state)
        context, weights = self._attend(hidden1, state.values)
        hidden2, cell2 = self._cell(self.second(torch.cat([context, hidden1, hidden2], dim=1)).float(), state.cell[1])
        logits = self.output(hidden2 + context + self.word_output[tokens]).float()
        return logits, PackedState(state.values, state.given, (hidden1, hidden2), (cell1, cell2)), weights

    def _first(self, tokens: Tensor, other: Tensor, state: PackedState) -> tuple[Tensor, Tensor]:
        gates = self.first(torch.cat([other, state.hidden[0]], dim=1)) + self.word_gates[tokens]
        images, width = state.given.shape
        gates = (gates.view(images, -1, width) + state.given.unsqueeze(1)).flatten(0, 1)
        return self._cell(gates, state.cell[0])

    def _cell(self, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """The long short-term memory's state from its gates (rows, 4 * hidden), in torch.nn.LSTMCell's order."""
        enter, keep, new, leave = gates.chunk(4, dim=1)
        cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
        return (leave.sigmoid() * cell.tanh()).to(self.dtype), cell

    def _attend(self, hidden: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """See `model.cnn_lstm.decoder.Attention`."""
        images, cells, width = values.shape
        weights = torch.bmm(self.query(hidden).view(images, -1, width), values.transpose(1, 2)).float().softmax(dim=2)
        return torch.bmm(weights.to(self.dtype), values).flatten(0, 1), weights.view(-1, cells)
