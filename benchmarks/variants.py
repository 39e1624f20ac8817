"""Ways to run the same captioner on a processor; what is not shipped as a setting lives here alone.

`python -m benchmarks.variants NAME --folder DIR` measures one in this process and prints its figures as JSON.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import torch
import tyro
from PIL import Image
from torch import Tensor

from benchmarks.graphs import ONNX_INT8, OPENVINO_INT8
from benchmarks.measure import milliseconds, timed
from benchmarks.photographs import photographs
from model.captioner import Captioner, DecodingOptions
from model.cnn_lstm.captioner import CnnLstmCaptioner, Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.export import DECODER_STEP, ENCODER
from model.cnn_lstm.onnx import OnnxCaptioner
from model.images import decode_image
from model.languages import tokenise
from model.registry import load_captioner
from model.settings import Dtype, ModelSettings

_REPEATED = 5  # batches


@dataclass(frozen=True)
class Config:
    variant: Annotated[str, tyro.conf.Positional]
    folder: Path = Path("runs/graphs")
    """What benchmarks.graphs wrote."""
    data: Path | None = None
    """Folder that training reads: CIDEr on its dev split is measured as well."""
    requests: int = 50
    batches: tuple[int, ...] = (8, 32)
    started: float = 0.0
    """When this process was started, in seconds of time.time."""


def packed(dtype: Dtype) -> Captioner:
    """What CAPTION_DTYPE chooses, by model/cnn_lstm/runtime.py."""
    return load_captioner(ModelSettings(device="cpu", dtype=dtype))


def modules(prepare: Callable[[Encoder], Callable[[Tensor], Tensor]]) -> Captioner:
    """The modules that were trained, in single precision, but for what is made of the encoder."""
    captioner = load_captioner(ModelSettings(device="cpu", dtype="fp32"))
    assert isinstance(captioner, CnnLstmCaptioner)
    network = Network.from_checkpoint(Checkpoint.load(ModelSettings().checkpoint)).eval().requires_grad_(False)
    captioner.encoder = prepare(network.encoder)  # type: ignore[assignment]
    captioner.speeches.own.decoder = network.decoder
    return captioner


def compiled(encoder: Encoder) -> Callable[[Tensor], Tensor]:
    """By torch.compile, with the weights as constants; anew for each size of batch."""
    from torch._inductor import config

    config.freezing = True
    run: Callable[[Tensor], Tensor] = torch.compile(encoder.folded(), dynamic=False)
    return run


def under_autocast(encoder: Encoder) -> Callable[[Tensor], Tensor]:
    folded = encoder.folded()

    def run(pixels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            features: Tensor = folded(pixels)
        return features.float()

    return run


def cast(encoder: Encoder) -> Callable[[Tensor], Tensor]:
    """Weights and pixels in bfloat16."""
    folded = encoder.folded().to(torch.bfloat16)

    def run(pixels: Tensor) -> Tensor:
        features: Tensor = folded(pixels.to(torch.bfloat16))
        return features.float()

    return run


def onnx_runtime(folder: Path, encoder: str) -> Captioner:
    import onnxruntime

    captioner = OnnxCaptioner.from_folder(folder)
    captioner.encoder = onnxruntime.InferenceSession(folder / encoder, providers=["CPUExecutionProvider"])
    return captioner


class OpenVinoGraph:
    """Is asked as an ONNX Runtime session is."""

    def __init__(self, file: Path, precision: str) -> None:
        import openvino

        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        self.graph = openvino.Core().compile_model(file, "CPU", hints)
        self.request = self.graph.create_infer_request()

    def run(self, _: None, inputs: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
        found = self.request.infer(inputs)
        return [np.array(found[output]) for output in self.graph.outputs]


def open_vino(folder: Path, encoder: str, precision: str) -> Captioner:
    captioner = OnnxCaptioner.from_folder(folder)
    captioner.encoder = OpenVinoGraph(folder / encoder, precision)
    captioner.decoder_step = OpenVinoGraph(folder / DECODER_STEP, precision)
    return captioner


@dataclass(frozen=True)
class Variant:
    load: Callable[[Path], Captioner]
    """From the folder with the graphs."""
    graph: str = ""
    """The encoder's file there, for those that read one."""
    bfloat16: bool = False


def _graph_variant(program: Callable[..., Captioner], graph: str, *arguments: str) -> Variant:
    return Variant(lambda folder: program(folder, graph, *arguments), graph, "bf16" in arguments)


VARIANTS: dict[str, Variant] = {
    "eager fp32": Variant(lambda _: modules(lambda encoder: encoder)),
    "folded fp32": Variant(lambda _: modules(Encoder.folded)),
    "torch.compile fp32": Variant(lambda _: modules(compiled)),
    "packed fp32": Variant(lambda _: packed("fp32")),
    "ONNX Runtime fp32": _graph_variant(onnx_runtime, ENCODER),
    "OpenVINO fp32": _graph_variant(open_vino, ENCODER, "f32"),
    "autocast bf16": Variant(lambda _: modules(under_autocast), bfloat16=True),
    "cast bf16": Variant(lambda _: modules(cast), bfloat16=True),
    "packed bf16": Variant(lambda _: packed("bf16"), bfloat16=True),
    "OpenVINO bf16": _graph_variant(open_vino, ENCODER, "bf16"),
    "ONNX Runtime int8": _graph_variant(onnx_runtime, ONNX_INT8),
    "OpenVINO int8": _graph_variant(open_vino, OPENVINO_INT8, "f32"),
    "OpenVINO int8, bf16": _graph_variant(open_vino, OPENVINO_INT8, "bf16"),
}
"""By name. "packed" is what is shipped. Int8 is the encoder; the decoder is fp32 then, or bf16 where that is named."""


def disk_megabytes(variant: Variant, folder: Path) -> float:
    files = [ModelSettings().checkpoint]
    if variant.graph:
        files = [*folder.glob(f"{Path(variant.graph).stem}.*"), folder / DECODER_STEP]
    return sum(file.stat().st_size for file in files) / 1e6


def measure(captioner: Captioner, images: Sequence[Image.Image], batches: Sequence[int]) -> dict[str, Any]:
    """From decoded images to captions: milliseconds of one at a time, images a second by size of batch."""
    captioner.caption(images[:1])
    alone = [timed(captioner.caption, [image]) for image in images]
    rates = {}
    for size in batches:
        batch = [images[n % len(images)] for n in range(size)]
        captioner.caption(batch)
        rates[str(size)] = size / statistics.median(timed(captioner.caption, batch) for _ in range(_REPEATED))
    return milliseconds(alone) | {"images_per_second": rates}


def dev_cider(captioner: Captioner, data: Path) -> float:
    """With a beam of 5, as the published figures have it."""
    from training.data.records import in_split, read_dataset
    from training.evaluate import caption_records
    from training.evaluation.metrics import score

    records = in_split(read_dataset(data), "dev")
    captions, _ = caption_records(captioner, records, DecodingOptions(beam_size=5), batch_size=32)
    records = [record for record in records if record.name in captions]
    hypotheses = [tokenise(captions[record.name].text) for record in records]
    references = [[tokenise(text) for text in record.captions] for record in records]
    return score(hypotheses, references, rouge=False).corpus["CIDEr"]


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    variant = VARIANTS[config.variant]
    captioner = variant.load(config.folder)
    captioner.caption([Image.new("RGB", (64, 64))])
    found: dict[str, Any] = {"start_up_seconds": time.time() - config.started if config.started else None}
    found["megabytes"] = psutil.Process().memory_full_info().uss / 1e6
    found["disk_megabytes"] = disk_megabytes(variant, config.folder)
    images = [decode_image(upload) for upload in photographs(config.requests)]
    found |= measure(captioner, images, config.batches)
    if config.data:
        found["cider"] = dev_cider(captioner, config.data)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
