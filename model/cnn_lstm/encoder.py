"""The encoder: a photograph to a grid of features by ResNet-50 (He et al. 2015, arXiv 1512.03385).

The network is torchvision's without pooling and classifier, cut into five stages, so that training can
compute the frozen stages once and run only the ones that it fine-tunes.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import ResNet50_Weights, resnet50

from model.files import load_tensors
from model.foreign import describe_content

Stride = Literal["3x3", "1x1"]
CHANNELS = 2048
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
_WANTED = "the weights of torchvision's resnet50"


@dataclass(frozen=True)
class Preprocessing:
    """An upright RGB photograph to the encoder's input: the whole picture resized, no crop, then normalised.

    A plain resize because the training photographs are square resizes of whole photographs.
    """

    image_size: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __call__(self, images: Sequence[Image.Image]) -> Tensor:
        """Float tensor (batch, 3, image_size, image_size)."""
        size = (self.image_size, self.image_size)
        resized = [i if i.size == size else i.resize(size, Image.Resampling.BICUBIC) for i in images]
        pixels = torch.from_numpy(np.stack([np.asarray(i) for i in resized])).permute(0, 3, 1, 2)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (self.mean, self.std))
        return (pixels / 255.0 - mean) / std


class Encoder(nn.Module):
    """ResNet-50 from pixels to a grid: (batch, 3, 224, 224) to (batch, 49, 2048).

    `stride` says which convolution of a stage's first block halves the resolution: the 3x3 (torchvision's
    own weights) or the first 1x1 (the original paper's, and some published weights). The two have the same
    parameters and different results, so it is never guessed.
    """

    def __init__(self, stride: Stride = "3x3") -> None:
        super().__init__()
        self.stride: Stride = stride
        self.stages = self._stages(resnet50(), stride)
        # The layout in which convolutions are fastest, on CPUs as on GPUs; inputs in it stay in it.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @staticmethod
    def _stages(net: Any, stride: Stride) -> nn.Sequential:
        if stride == "1x1":
            for layer in (net.layer2, net.layer3, net.layer4):
                layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
        stem = nn.Sequential(OrderedDict(conv1=net.conv1, bn1=net.bn1, relu=net.relu, maxpool=net.maxpool))
        return nn.Sequential(
            OrderedDict(stem=stem, layer1=net.layer1, layer2=net.layer2, layer3=net.layer3, layer4=net.layer4)
        )

    def load_imagenet(self, source: str | Path) -> None:
        """Initial weights: "imagenet" for torchvision's IMAGENET1K_V2 (downloaded once), or a state dict of
        torchvision's `resnet50` in a file, read without executing code.

        Raises ValueError where the weights do not fit (missing names, other shapes, the wrong stride).
        """
        if source == "imagenet":
            if self.stride != "3x3":
                raise ValueError("torchvision's ImageNet weights have their stride in the 3x3")
            net = resnet50(weights=ResNet50_Weights.IMAGENET1K_V2)
        else:
            weights = load_tensors(Path(source))
            net = resnet50()
            if not isinstance(weights, dict) or weights.keys().isdisjoint(net.state_dict()):
                raise ValueError(f"{source} does not hold {_WANTED}: {describe_content(weights)}")
            try:
                net.load_state_dict(weights)
            except RuntimeError as error:
                raise ValueError(f"{source} does not hold {_WANTED}: {' '.join(str(error).split())[:300]}") from error
        self.stages.load_state_dict(self._stages(net, self.stride).state_dict())

    def forward(self, inputs: Tensor, first_stage: int = 0) -> Tensor:
        """Grid features (batch, cells, channels), row by row.

        `inputs` are normalised pixels, or, with `first_stage`, what the stage before it gave: (batch, C, H, W).
        """
        grid = self.run_stages(inputs, first_stage)
        return grid.flatten(2).transpose(1, 2)

    def run_stages(self, inputs: Tensor, first: int = 0, last: int = len(STAGES)) -> Tensor:
        """The output (batch, C, H, W) of stages `first` up to, not including, `last`."""
        for stage in list(self.stages)[first:last]:
            inputs = stage(inputs)
        return inputs

    def folded(self) -> Encoder:
        """A copy for inference with each batch norm folded into its convolution: the same function, up to rounding,
        with one pass less over the memory for every convolution. It has no batch norm and cannot be trained or saved.
        """
        folded = copy.deepcopy(self).eval().requires_grad_(False)
        for module in list(folded.modules()):
            for name, convolution in list(module.named_children()):
                if isinstance(convolution, nn.Conv2d):
                    norm_name = {"0": "1"}.get(name, name.replace("conv", "bn"))  # torchvision's names
                    norm = cast(nn.BatchNorm2d, module.get_submodule(norm_name))
                    setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                    setattr(module, norm_name, nn.Identity())
        return folded

    def train(self, mode: bool = True) -> Encoder:
        """Batch norm stays in evaluation mode: batches of captions are too small for statistics of their own."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def freeze_all_but_last(self, stages: int) -> None:
        """Only the convolutions of the last `stages` stages learn; batch norm never does."""
        self.requires_grad_(False)
        for stage in list(self.stages)[len(STAGES) - stages :]:
            for module in stage.modules():
                if isinstance(module, nn.Conv2d):
                    module.requires_grad_(True)
