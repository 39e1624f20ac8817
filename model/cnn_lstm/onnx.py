"""The captioner that `python -m model export` wrote, run by ONNX Runtime with the project's own decoding."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from model.captioner import Caption, DecodingOptions, Stopwatch
from model.cnn_lstm.captioner import CAPABILITIES
from model.cnn_lstm.captions import CaptionWriter
from model.cnn_lstm.decoder import select_images
from model.cnn_lstm.encoder import Preprocessing
from model.cnn_lstm.export import DECODER_STEP, ENCODER, FORMAT, MANIFEST, SECOND_LOOK, STATE, VOCABULARY
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import BackendUnavailable, CheckpointMismatch
from model.files import file_digest
from model.foreign import ONNX, TEXT, describe_foreign
from model.second_look import SecondLook
from model.settings import ModelSettings


class OnnxState(NamedTuple):
    """`rows` hypotheses, those of an image consecutive and equally many."""

    values: Tensor  # (images, cells, hidden)
    rows: tuple[Tensor, ...]  # STATE, each (rows, hidden)

    def select(self, rows: Tensor) -> OnnxState:
        """See `model.cnn_lstm.decoder.DecoderState.select`."""
        (values,) = select_images(rows, len(self.rows[0]), self.values)
        return OnnxState(values, tuple(part.index_select(0, rows) for part in self.rows))


class OnnxCaptioner:
    """See `model.captioner.Captioner`."""

    name = "onnx"
    device = torch.device("cpu")

    def __init__(
        self,
        encoder: Any,
        decoder_step: Any,
        vocabulary: Vocabulary,
        preprocessing: Preprocessing,
        digest: str,
        second_look: SecondLook | None = None,
    ) -> None:
        """`encoder` and `decoder_step` are sessions of ONNX Runtime, `digest` is of the checkpoint they come from."""
        self.encoder, self.decoder_step = encoder, decoder_step
        self.vocabulary, self.preprocessing, self.digest = vocabulary, preprocessing, digest
        self.writer = CaptionWriter(vocabulary, second_look)
        self.capabilities = replace(CAPABILITIES, second_look=second_look is not None)

    @classmethod
    def load(cls, settings: ModelSettings, device: torch.device) -> OnnxCaptioner:
        """Raises CheckpointMismatch, FileNotFoundError, BackendUnavailable."""
        if not settings.weights:
            raise BackendUnavailable("the back end onnx needs the folder that python -m model export wrote, as weights")
        if settings.device == "cuda" or settings.dtype not in ("auto", "fp32"):
            raise BackendUnavailable("the back end onnx runs on the CPU in fp32 alone")
        return cls.from_folder(Path(settings.weights))

    @classmethod
    def from_folder(cls, folder: Path, threads: int = 0) -> OnnxCaptioner:
        """What `export_onnx` wrote; `threads` for a graph's operators, 0 for as many as there are cores.

        Raises CheckpointMismatch where the folder holds something else or a file was changed, FileNotFoundError
        where one is missing, BackendUnavailable without ONNX Runtime.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise BackendUnavailable("the back end onnx needs requirements/export.txt (onnxruntime)") from error
        manifest = _read_json(folder / MANIFEST)
        if manifest.get("format") != FORMAT:
            raise CheckpointMismatch(f"{folder / MANIFEST} is not of the format '{FORMAT}'")
        has_second_look = SECOND_LOOK in manifest["files"]
        for name in (ENCODER, DECODER_STEP, VOCABULARY, *((SECOND_LOOK,) if has_second_look else ())):
            kind = ONNX if name in (ENCODER, DECODER_STEP) else TEXT
            if found := describe_foreign(folder / name, kind):
                raise CheckpointMismatch(f"{folder / name} is not what was exported: {found}")
            if file_digest(folder / name) != manifest["files"][name]["sha256"]:
                raise CheckpointMismatch(f"{folder / name} is not the file that the manifest describes")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        encoder, decoder_step = (
            onnxruntime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"])
            for name in (ENCODER, DECODER_STEP)
        )
        numbers = manifest["preprocessing"]
        preprocessing = Preprocessing(numbers["image_size"], tuple(numbers["mean"]), tuple(numbers["std"]))
        vocabulary = Vocabulary(_read_json(folder / VOCABULARY)["words"])
        second_look = SecondLook.from_state(_read_json(folder / SECOND_LOOK)) if has_second_look else None
        return cls(encoder, decoder_step, vocabulary, preprocessing, manifest["source"]["sha256"], second_look)

    def caption(
        self,
        images: Sequence[Image.Image],
        options: DecodingOptions = DecodingOptions(),
        stopwatch: Stopwatch | None = None,
    ) -> list[list[Caption]]:
        if not images:
            return []
        stopwatch = stopwatch or Stopwatch()
        with stopwatch.stage("encoder"):
            pixels = self.preprocessing(images).contiguous().numpy()
            values, mean, unlike, probabilities = map(torch.from_numpy, self.encoder.run(None, {"pixels": pixels}))
        with stopwatch.stage("decoder"):
            state = OnnxState(values, (mean, *(torch.zeros_like(mean) for _ in STATE[1:])))
            found = self.writer.search(self._step, state, len(images), probabilities, options)
            return self.writer.captions(found, unlike, probabilities, options)

    def _step(self, tokens: Tensor, state: OnnxState) -> tuple[Tensor, OnnxState, Tensor]:
        """See `model.cnn_lstm.decoder.Decoder.step`."""
        images = len(state.values)
        inputs = {"tokens": tokens.view(images, -1), "values": state.values}
        inputs |= {name: part.view(images, -1, part.shape[1]) for name, part in zip(STATE, state.rows, strict=True)}
        outputs = self.decoder_step.run(None, {name: part.numpy() for name, part in inputs.items()})
        log_probabilities, attention, *changed = (torch.from_numpy(part).flatten(0, 1) for part in outputs)
        return log_probabilities, OnnxState(state.values, (state.rows[0], *changed)), attention


def _read_json(path: Path) -> Any:
    if found := describe_foreign(path, TEXT):
        raise CheckpointMismatch(f"{path} is not a readable JSON file: {found}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointMismatch(f"{path} is not a readable JSON file: {error}") from error
