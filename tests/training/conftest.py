"""What the tests of the training command share: a drawn dataset, and one whole run that others are compared with."""

import shutil

import pytest

from tests.training.processes import run, write_folder


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("training"), 72)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folder(shared_folder):
    """A state has 270 MB: only that of the run that all tests compare with is left for the next."""
    yield shared_folder
    for state in shared_folder.glob("*/last.pth"):
        if state.parent.name != "whole":
            state.unlink()


@pytest.fixture(scope="session")
def uninterrupted(shared_folder):
    done = run(shared_folder, "whole")
    assert done.returncode == 0, done.stderr
    return done
