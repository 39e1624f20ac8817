"""Every command that reads a folder says which list it takes, and asks where two can be meant."""

from importlib import import_module

import pytest

from tests.training.drawn_dataset import write

COMMANDS = {
    "train": ["--init", "nowhere"],
    "finetune": ["--weights", "nowhere"],
    "clipcap": ["--clip", "nowhere"],
    "evaluate": ["--checkpoint", "nowhere"],
    "sweep": ["--checkpoint", "nowhere"],
    "pictures": ["gallery", "nowhere"],
}
"""Each with what stops it once the list is read."""


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "data", "karpathy", 12)
    rows = [f"{n:04}.jpg,A wolf,{split}" for n, split in enumerate(("train", "dev", "test") * 4)]
    (folder / "wolves.csv").write_text("\n".join(["image,caption,split", *rows]))
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_is_asked_for_chosen_and_named(data, name, capsys):
    command = [*COMMANDS[name], "--data", str(data)]
    main = import_module(f"training.{name}").main
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "dataset_flickr8k.json; " in error and "wolves.csv. Choose one by --captions FILE" in error
    assert main([*command, "--captions", "data/nowhere.csv"]) == 2
    assert "--captions data/nowhere.csv: there is no such file in" in capsys.readouterr().err
    assert main([*command, "--captions", "wolves.csv"]) == 2
    printed = capsys.readouterr()
    assert "nowhere" in printed.err
    if name != "pictures":
        assert f"captions: {data}/wolves.csv" in printed.out + printed.err


def test_lists_may_stand_in_a_recipe_and_the_command_line_goes_before(data, capsys):
    (data / "more.csv").write_text("image,caption\n0000.jpg,A fox\n")
    (data / "recipe.yaml").write_text("captions: [wolves.csv, more.csv]\ninit: nowhere\n")
    command = ["--config", str(data / "recipe.yaml"), "--data", str(data)]
    main = import_module("training.train").main
    assert main(command) == 2
    assert f"captions: {data}/wolves.csv, {data}/more.csv\n" in capsys.readouterr().out
    assert main([*command, "--captions", "wolves.csv"]) == 2
    assert f"captions: {data}/wolves.csv\n" in capsys.readouterr().out


def test_of_the_rehearsed_folder_too(data, tmp_path, capsys):
    other = write(tmp_path / "other", "karpathy", 12)
    (other / "wolves.csv").write_bytes((data / "wolves.csv").read_bytes())
    main = import_module("training.train").main
    command = ["--data", str(data), "--rehearse", str(other), "--init", "nowhere", "--captions", "data/wolves.csv"]
    assert main(command) == 2
    assert f"{other}/dataset_flickr8k.json; {other}/wolves.csv. Choose" in capsys.readouterr().err
    assert main([*command, "--captions", "other/wolves.csv"]) == 2
    assert f"captions: {data}/wolves.csv\ncaptions: {other}/wolves.csv\n" in capsys.readouterr().out
