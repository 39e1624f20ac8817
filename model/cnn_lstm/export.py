"""The captioner as two ONNX graphs that need no PyTorch: python -m model export --format onnx --output FOLDER

`encoder.onnx` is a batch of photographs to what decoding starts from, `decoder_step.onnx` is one word further for any
number of hypotheses of any number of photographs; `vocabulary.json` has the words and `manifest.json` says all that
a program in another language must know. `model/cnn_lstm/onnx.py` reads them.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.captions import TOKENS
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder, DecoderState
from model.cnn_lstm.heads import Heads
from model.cnn_lstm.vocabulary import END, PAD, START, UNKNOWN, Vocabulary
from model.cnn_lstm.vocabulary import FORMAT as VOCABULARY_FORMAT
from model.errors import LOADING_ERRORS, BackendUnavailable, ExportRefused
from model.files import file_digest
from model.names import Parser
from model.settings import ModelSettings

FORMAT = "image-captioner export 1"
ENCODER, DECODER_STEP, VOCABULARY, MANIFEST = "encoder.onnx", "decoder_step.onnx", "vocabulary.json", "manifest.json"
SECOND_LOOK = "second_look.json"
STATE = ("mean", "hidden1", "hidden2", "cell1", "cell2")
"""What a hypothesis carries from word to word; all but the mean start as zeros."""
OPSET = 20

_LICENCE = (
    "The graphs are made by MIT-licensed code. The weights and the words follow the terms of the photographs that "
    "they were learnt from: those of the checkpoint that is distributed with this project from Flickr8k (Hodosh, "
    "Young, Hockenmaier 2013), for non-commercial research and education only."
)

_PREPROCESSING = {
    "colours": "RGB",
    "resize": "the whole picture, bicubic, antialiased, no crop",
    "values": "(pixel / 255 - mean) / std",
    "layout": "images, channels, rows, columns",
}


class EncoderGraph(nn.Module):
    def __init__(self, network: Network, heads: Heads) -> None:
        super().__init__()
        self.encoder, self.decoder, self.heads = network.encoder.folded(), network.decoder, heads

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(images, 3, height, width) to values (images, cells, hidden), their mean (images, hidden), whether the
        photograph is unlike those that the model was trained on (images), and the probabilities of n-grams
        (images, ngrams).
        """
        features = self.encoder(pixels)
        state = self.decoder.init_state(features)
        return state.values, state.mean, self.heads.unlike(features), self.heads.probabilities(features)


class DecoderStepGraph(nn.Module):
    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, tokens: Tensor, values: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Tokens (images, each), values (images, cells, hidden) and STATE, each (images, each, hidden), to
        log-probabilities (images, each, words), attention (images, each, cells) and STATE without the mean.

        `each` hypotheses an image as a dimension of its own: so that any graph's reader sees that they are as many
        for every image.
        """
        images, each = tokens.shape
        mean, hidden1, hidden2, cell1, cell2 = (part.flatten(0, 1) for part in state)
        flat = DecoderState(values, mean, (hidden1, hidden2), (cell1, cell2))
        log_probabilities, flat, attention = self.decoder.step(tokens.flatten(), flat)
        parts = (log_probabilities, attention, *flat.hidden, *flat.cell)
        return tuple(part.view(images, each, part.shape[1]) for part in parts)


def export_onnx(checkpoint_file: Path, vocabulary_file: Path, folder: Path) -> None:
    """`folder` is new or empty; it appears whole or not at all.

    Raises ExportRefused, BackendUnavailable where a package is missing, and what `Checkpoint.load`, `verify` and
    `Vocabulary.load` raise.
    """
    checkpoint, vocabulary = Checkpoint.load(checkpoint_file), Vocabulary.load(vocabulary_file)
    checkpoint.verify(vocabulary)
    network = Network.from_checkpoint(checkpoint).eval().requires_grad_(False)
    with _folder_made_whole(folder) as target:
        graphs = {
            ENCODER: _export_encoder(network, checkpoint, target / ENCODER),
            DECODER_STEP: _export_decoder_step(network.decoder, checkpoint, target / DECODER_STEP),
        }
        _write_json(target / VOCABULARY, {"format": VOCABULARY_FORMAT, "words": list(vocabulary.words)})
        tables = [VOCABULARY]
        if checkpoint.heads.second_look:
            _write_json(target / SECOND_LOOK, checkpoint.heads.second_look.state())
            tables.append(SECOND_LOOK)
        manifest = {
            "format": FORMAT,
            "licence": _LICENCE,
            "source": {"sha256": file_digest(checkpoint_file), "torch": torch.__version__},
            "files": {name: {"sha256": file_digest(target / name)} for name in (*graphs, *tables)},
            "opset": OPSET,
            "preprocessing": asdict(checkpoint.preprocessing) | _PREPROCESSING,
            "tokens": {"pad": PAD, "start": START, "end": END, "unknown": UNKNOWN, "forbidden": TOKENS.forbidden},
            "graphs": graphs,
            "first_step": "tokens are start, mean is the encoder's for every hypothesis, the other states are zeros",
        }
        _write_json(target / MANIFEST, manifest)


def _export_encoder(network: Network, checkpoint: Checkpoint, file: Path) -> dict[str, Any]:
    size = checkpoint.preprocessing.image_size
    return _export(
        EncoderGraph(network, checkpoint.heads),
        (torch.zeros(2, 3, size, size),),
        ({0: Dim("images")},),
        ["pixels"],
        ["values", "mean", "unlike", "ngrams"],
        file,
    )


def _export_decoder_step(decoder: Decoder, checkpoint: Checkpoint, file: Path) -> dict[str, Any]:
    images, each, hidden = 2, 3, decoder.config.hidden
    cells = (checkpoint.preprocessing.image_size // 32) ** 2  # five stages halve the resolution
    rows = {0: Dim("images"), 1: Dim("each")}
    state = tuple(torch.zeros(images, each, hidden) for _ in STATE)
    return _export(
        DecoderStepGraph(decoder),
        (torch.full((images, each), START), torch.zeros(images, cells, hidden), *state),
        (rows, {0: rows[0]}, (rows,) * len(STATE)),
        ["tokens", "values", *STATE],
        ["log_probabilities", "attention", *(f"next_{name}" for name in STATE[1:])],
        file,
    )


def _export(
    graph: nn.Module,
    example: tuple[Tensor, ...],
    dynamic_shapes: tuple[Any, ...],
    inputs: list[str],
    outputs: list[str],
    file: Path,
) -> dict[str, Any]:
    """Writes the file; its inputs' and outputs' names and shapes, in which a name is any number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about its own parts, and about dimensions of one name
            program = torch.onnx.export(
                graph.eval(),
                example,
                input_names=inputs,
                output_names=outputs,
                dynamic_shapes=dynamic_shapes,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise BackendUnavailable(f"the export needs requirements/export.txt: {error}") from error
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # where in this machine's files it came from
    program.save(file)
    return {
        part: {
            value.name: [size if isinstance(size, int) else str(size) for size in value.shape or ()] for value in values
        }
        for part, values in (("inputs", program.model.graph.inputs), ("outputs", program.model.graph.outputs))
    }


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _folder_made_whole(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, which becomes `folder` when the block ends without an error."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportRefused(f"{folder} exists and is not an empty folder; nothing is overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's is for its owner alone
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if the export was written, 2 if not."""
    model = ModelSettings()
    parser = Parser(prog="python -m model export", description="Writes the captioner for other programs.")
    parser.add_argument("--format", default="onnx", choices=["onnx"])
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="new or empty")
    parser.add_argument("--checkpoint", default=model.checkpoint, type=Path, help=f"default {model.checkpoint}")
    parser.add_argument("--vocabulary", default=model.vocabulary, type=Path, help=f"default {model.vocabulary}")
    parsed = parser.parse_args(arguments)
    try:
        export_onnx(parsed.checkpoint, parsed.vocabulary, parsed.output)
    except (ExportRefused, *LOADING_ERRORS) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path in sorted(parsed.output.iterdir()):
        print(f"{path}: {path.stat().st_size:,} bytes")
    return 0
