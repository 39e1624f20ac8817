"""Files that should hold weights and do not: each is called what it is, by whoever reads it; nothing is executed."""

import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.onnx import OnnxCaptioner
from model.cnn_lstm.vocabulary import FORMAT as VOCABULARY_FORMAT
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import CheckpointMismatch, VocabularyRefused
from model.foreign import ONNX, PICKLE, SAFETENSORS, TEXT, TORCH, describe_foreign
from model.huggingface.clipcap.checkpoint import ClipCapCheckpoint
from model.huggingface.weights import fetch, load_model, load_part, weight_files
from tests.pictures import drawn, encoded
from training.running.results import Results

TENSORS = {"layer.weight": torch.zeros(4, 4), "layer.bias": torch.zeros(4)}


def saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_dot_", "."), content)
    return buffer.getvalue()


def numpy_file(save, *arrays):
    buffer = io.BytesIO()
    save(buffer, *arrays)
    return buffer.getvalue()


SAFE = safetensors.torch.save(TENSORS)
NEVER_WANTED = {
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 84946157\n",
        "pointer that Git LFS leaves.*git lfs pull",
    ),
    "a git-annex pointer": (b"/annex/objects/SHA256E-s84946157--ab12.pth\n", "git annex get"),
    "an empty file": (b"", "it is empty: copy or download it again"),
    "an HTML page": (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page"),
    "an HTML page with spaces and a mark": (b"\xef\xbb\xbf \n <HTML lang=en><head></head></HTML>", "a web page"),
    "a server's XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML, as a server's error"),
    "Keras' HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "HDF5, as Keras has it"),
    "Keras' archive": (zipped(config_dot_json="{}", model_dot_weights_dot_h5="x"), "an archive of Keras or NumPy"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(500), "TensorFlow Lite"),
    "GGUF": (b"GGUF\3\0\0\0" + bytes(500), "GGUF, as llama.cpp"),
    "a NumPy array": (numpy_file(np.save, np.zeros(9)), "an array of NumPy"),
    "NumPy's archive": (numpy_file(np.savez, np.zeros(9)), "an archive of Keras or NumPy"),
    "TorchScript": (zipped(data_dot_pkl="", constants_dot_pkl="", version="3"), "a program of TorchScript"),
    "a compressed checkpoint": (gzip.compress(saved(TENSORS)), "compressed .gzip.: unpack"),
    "another archive": (zipped(readme_dot_txt="words"), "an archive .zip.: unpack"),
    "a tar": (bytes(257) + b"ustar\x0000" + bytes(500), "an archive .tar.: unpack"),
    "a picture": (encoded(drawn()), "a picture"),
    "a torch file without its end": (saved(TENSORS)[:-200], "cut off, for its end is missing: copy"),
    "half a torch file": (saved({"a": torch.zeros(5000)})[:9000], "cut off, for its end is missing: copy"),
    "safetensors without their end": (SAFE[:-8], rf"cut off: {len(SAFE) - 8} bytes are there of {len(SAFE)}"),
    "half the header of safetensors": (SAFE[:40], "cut off: 40 bytes are there of"),
}
ONNX_GRAPH = b"\x08\x08\x12\x07pytorch\x1a\x052.9.0" + bytes(500)
WANTED_BY_SOME = {
    "safetensors": (SAFE, SAFETENSORS, "in the format safetensors"),
    "torch": (saved(TENSORS), TORCH, "a file of torch.save"),
    "torch of before 1.6": (saved(TENSORS, _use_new_zipfile_serialization=False), TORCH, "a file of torch.save"),
    "a pickle": (pickle.dumps({"a": 1}), PICKLE, "a pickle of Python, which may hold code: nothing of it was run"),
    "ONNX": (ONNX_GRAPH, ONNX, "a graph of ONNX"),
    "text": (b"a\nblue\ncat\n", TEXT, "it is text, which begins with 'a'"),
    "a server's answer": (b"404: Not Found", TEXT, "it is text, which begins with '404: Not Found'"),
    "JSON": (json.dumps({"é": 1}, ensure_ascii=False).encode(), TEXT, "it is text"),
}


def _model(path):
    return load_model(None, path.parent, "fp32", torch.device("cpu"))


ENCODER = Encoder("1x1")  # takes a while
READERS = {
    "checkpoint": (Checkpoint.load, "best_model.pth", TORCH),
    "vocabulary": (Vocabulary.load, "vocab.pkl", PICKLE),
    "encoder": (ENCODER.load_imagenet, "resnet50.pth", TORCH),
    "ClipCap": (ClipCapCheckpoint.load, "clipcap.safetensors", SAFETENSORS),
    "published ClipCap": (ClipCapCheckpoint.load, "coco_weights.pt", TORCH),
    "state of a training": (lambda path: Results(path.parent, writes=False).load_state(), "last.pth", TORCH),
    "weights of transformers": (_model, "model.safetensors", SAFETENSORS),
    "older weights of transformers": (_model, "pytorch_model.bin", TORCH),
    "manifest of an export": (lambda path: OnnxCaptioner.from_folder(path.parent), "manifest.json", TEXT),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_says_what_it_was_given_instead(reader, tmp_path):
    read, name, wanted = READERS[reader]
    path = tmp_path / name
    others = {kind: (content, words) for kind, (content, own, words) in WANTED_BY_SOME.items() if own != wanted}
    for kind, (content, words) in (NEVER_WANTED | others).items():
        path.write_bytes(content)
        with pytest.raises((CheckpointMismatch, VocabularyRefused), match=words) as refused:
            read(path)
        message = str(refused.value)
        assert str(path) in message and "\n" not in message and "refused" not in message, kind
    path.write_bytes(b"\xfe\xdc" * 300)  # none that is known
    assert describe_foreign(path) is None
    with pytest.raises((CheckpointMismatch, VocabularyRefused, AttributeError)):
        read(path)


def test_each_kind_is_known_to_who_wants_it(tmp_path):
    for kind, (content, wanted, _) in WANTED_BY_SOME.items():
        (tmp_path / "file").write_bytes(content)
        assert describe_foreign(tmp_path / "file", wanted) is None, kind


CONTENTS = {
    "a state dict": (TENSORS, "it holds layer.weight, layer.bias, as another program wrote it"),
    "another program's checkpoint": ({"epoch": 3, "model": TENSORS, "lr": 0.1, "loss": 2.0}, "epoch, model, lr, …"),
    "tensors in a list": ([torch.zeros(2)], "it holds a list alone"),
    "a tensor": (torch.zeros(2), "it holds a Tensor alone"),
    "nothing": ({}, "it holds nothing"),
    "another format": ({"format": "image-captioner checkpoint 9"}, "it says that it is 'image-captioner checkpoint 9'"),
    "the state of a training": (
        {"settings": {}, "state": {}, "optimizer": None},
        "the state of a training.*the model is best_model.pth beside it",
    ),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_torch_files_of_others_are_told_by_what_is_in_them(kind, tmp_path):
    content, words = CONTENTS[kind]
    path = tmp_path / "last.pth"
    torch.save(content, path)
    for read in (Checkpoint.load, ENCODER.load_imagenet):
        with pytest.raises(ValueError, match=words):
            read(path)
    if not isinstance(content, dict) or "settings" not in content:
        with pytest.raises(CheckpointMismatch, match=f"not the state of a training: .*{words}"):
            Results(tmp_path, writes=False).load_state()


def test_weights_of_another_network_are_refused_in_a_line(tmp_path):
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "layer9.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"does not hold .*resnet50: .*Missing key") as refused:
        ENCODER.load_imagenet(tmp_path / "a.pth")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"word2idx": {"a": 1}, "idx2word": {1: "a"}}, "it holds word2idx, idx2word, as another"),
        (["a", "b"], "it holds a list alone"),
        ({"format": VOCABULARY_FORMAT, "words": {"a": 1}}, "no list of words"),
    ],
)
def test_vocabularies_of_others_are_told_by_what_is_in_them(content, words, tmp_path):
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(VocabularyRefused, match=words):
        Vocabulary.load(tmp_path / "vocab.pkl")


class Exploit:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("protocol", range(6))
def test_code_stays_refused_whoever_reads_it(protocol, tmp_path, capsys):
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps({"words": Exploit()}, protocol))
    with pytest.raises(VocabularyRefused, match=r"asks for (__builtin__|builtins).print: .* is not loaded"):
        Vocabulary.load(tmp_path / "vocab.pkl")
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Exploit(), protocol))
    torch.save({"a": Exploit()}, tmp_path / "new.pth")
    torch.save({"a": Exploit()}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("raw.pth", "new.pth", "old.pth"):
        for read in (Checkpoint.load, ENCODER.load_imagenet, ClipCapCheckpoint.load):
            with pytest.raises(CheckpointMismatch) as refused:
                read(tmp_path / name)
            if name != "raw.pth":
                assert "refused" in str(refused.value) and "nothing of it was run" in str(refused.value)
    assert "executed" not in capsys.readouterr().out


def test_what_stands_beside_weights_of_transformers(tmp_path):
    from transformers import AutoTokenizer, BlipForConditionalGeneration

    (tmp_path / "model.safetensors").write_bytes(SAFE)
    for kind in ("a Git LFS pointer", "an HTML page", "an empty file"):
        content, words = NEVER_WANTED[kind]
        (tmp_path / "config.json").write_bytes(content)
        with pytest.raises(CheckpointMismatch, match=rf"config\.json is not what its name says: .*{words}"):
            load_model(BlipForConditionalGeneration, tmp_path, "fp32", torch.device("cpu"))
        with pytest.raises(CheckpointMismatch, match=rf"config\.json is not what its name says: .*{words}"):
            load_part(AutoTokenizer, tmp_path)
    with pytest.raises(FileNotFoundError, match="is a file: name the folder in which it lies"):
        fetch(str(tmp_path / "model.safetensors"))
    (tmp_path / "model.safetensors").rename(tmp_path / "tf_model.h5")
    with pytest.raises(FileNotFoundError, match=r"holds no weights .*; tf_model\.h5 cannot be read here"):
        weight_files(tmp_path)
