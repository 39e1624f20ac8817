"""A file is there whole or not at all, and where the disk is full the error tells which."""

import pytest
import torch

from model.files import atomic_write, save_tensors
from tests.conftest import no_file_larger_than


def save_text(size, path):
    with atomic_write(path) as file:
        file.write_text("a" * size)


def save_a_tensor(size, path):
    save_tensors({"a": torch.zeros(size, dtype=torch.uint8)}, path)


@pytest.mark.parametrize("save", [save_text, save_a_tensor])
def test_a_full_disk_leaves_what_was_there_and_is_told_with_the_name(save, tmp_path):
    path = tmp_path / "last.pth"
    save(10, path)
    before = path.read_bytes()
    with no_file_larger_than(100_000), pytest.raises(OSError, match=r"last\.pth"):
        save(1_000_000, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_an_error_that_is_not_of_the_system_is_told_as_it_is(tmp_path):
    with pytest.raises(OSError, match="image file is truncated"), atomic_write(tmp_path / "copy.jpg"):
        raise OSError("image file is truncated")  # as Pillow does


def test_what_cannot_be_saved_for_another_reason_is_told_as_it_is(tmp_path):
    with pytest.raises(AttributeError, match="lambda"):
        save_tensors({"a": lambda: None}, tmp_path / "last.pth")
    assert list(tmp_path.iterdir()) == []
