"""The captioner's graphs for other programs, also in 8 bits: python -m benchmarks.graphs --folder DIR [--data FLICKR8K]

Static quantisation after training: the weights of each channel and the activations of each layer get a scale, the
latter from photographs. With --data those are of its training split, else scikit-image's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from torch import Tensor

from benchmarks.photographs import photographs
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.export import ENCODER, export_onnx
from model.images import decode_image
from model.settings import ModelSettings

ONNX_INT8, OPENVINO_INT8 = "encoder-int8.onnx", "encoder-int8.xml"


@dataclass(frozen=True)
class Config:
    folder: Path
    """New or empty."""
    data: Path | None = None
    """Folder that training reads."""
    calibration: int = 300
    """Photographs."""


def calibration_pixels(config: Config) -> list[Tensor]:
    """Each (1, 3, height, width), of photographs by which nothing is judged."""
    if config.data:
        from training.data.records import in_split, read_dataset

        records = in_split(read_dataset(config.data), "train")
        uploads = [r.path.read_bytes() for r in records[:: max(1, len(records) // config.calibration)]]
    else:
        uploads = photographs(config.calibration)
    preprocessing = Checkpoint.load(ModelSettings().checkpoint).preprocessing
    return [preprocessing([decode_image(upload)]).contiguous() for upload in uploads[: config.calibration]]


def quantise_for_onnxruntime(folder: Path, pixels: Sequence[Tensor]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Photographs(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
        def __init__(self) -> None:
            self.rest = iter(pixels)

        def get_next(self) -> dict[str, Any] | None:
            following = next(self.rest, None)
            return None if following is None else {"pixels": following.numpy()}

    quantize_static(
        folder / ENCODER,
        folder / ONNX_INT8,
        Photographs(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "Add"],
    )


def quantise_for_openvino(folder: Path, pixels: Sequence[Tensor]) -> None:
    import nncf
    import openvino

    encoder = openvino.Core().read_model(folder / ENCODER)
    images = [one.numpy() for one in pixels]
    openvino.save_model(nncf.quantize(encoder, nncf.Dataset(images), subset_size=len(images)), folder / OPENVINO_INT8)


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    files = ModelSettings()
    export_onnx(files.checkpoint, files.vocabulary, config.folder)
    pixels = calibration_pixels(config)
    quantise_for_onnxruntime(config.folder, pixels)
    quantise_for_openvino(config.folder, pixels)


if __name__ == "__main__":
    main()
