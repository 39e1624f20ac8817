"""Settings from files."""

import re
from pathlib import Path

import pytest
import tyro

from tests.conftest import ROOT
from training.config import Config, Stage, with_file


def parse(*arguments):
    return tyro.cli(Config, args=with_file([*arguments, "--data", "somewhere"]))


@pytest.mark.parametrize("name", ["best", "flickr8k", "baseline", "tiny", "own-pictures"])
def test_every_file_that_comes_with_it_is_valid(name):
    config = parse("--config", str(ROOT / "configs" / f"{name}.yaml"))
    assert {"fine_tune"} <= set(config.stages) <= {"distil", "frozen", "fine_tune", "self_critical", "joint"}


def test_the_best_trains_self_critically_and_the_baseline_does_not():
    best, baseline = (parse("--config", str(ROOT / "configs" / f"{n}.yaml")) for n in ("best", "baseline"))
    assert list(best.stages) == ["distil", "fine_tune", "self_critical"] and best.distil.objective == "distillation"
    assert best.bleu_weight and best.self_critical.reward_references == 4 and best.self_critical.cross_entropy_weight
    assert all(stage.objective == "cross-entropy" for stage in baseline.stages.values())


def test_every_kind_of_setting(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(
        "frozen: {epochs: 3}\naugmentations: [plain, crop]\nmixed_precision: true\nseed: 7\nencoder_stride: null"
    )
    config = parse("--config", str(file))
    assert config.frozen.epochs == 3 and config.frozen.learning_rate == 1.5e-3
    assert config.augmentations == ("plain", "crop") and config.mixed_precision and config.seed == 7
    assert config.encoder_stride is None


def test_the_command_line_goes_before_the_file(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("seed: 7\nmixed_precision: true")
    config = parse("--seed", "8", "--config", str(file), "--no-mixed-precision")
    assert config.seed == 8 and not config.mixed_precision


@pytest.mark.parametrize(
    "flags",
    [
        ["--rehearse", "a", "b"],
        ["--rehearse", "a", "--rehearse", "b"],
        ["--rehearse=a", "--rehearse", "b", "--seed", "2"],
        ["--config", "settings.yaml"],
        ["--config", "settings.yaml", "--data", "somewhere", "--seed", "1"],
    ],
)
def test_several_folders_however_they_are_given(tmp_path, monkeypatch, flags):
    monkeypatch.chdir(tmp_path)
    Path("settings.yaml").write_text("rehearse: [a, b]\ndata: [not, these]")
    config = parse(*flags)
    assert config.rehearse == (Path("a"), Path("b")) and config.data[-1] == Path("somewhere")


def test_folders_of_the_command_line_are_instead_of_the_files(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("rehearse: [a, b]\ndata: [c, d]\nseed: 3")
    config = tyro.cli(Config, args=with_file(["--config", str(file), "--rehearse", "e"]))
    assert config.rehearse == (Path("e"),) and config.data == (Path("c"), Path("d")) and config.seed == 3


@pytest.mark.parametrize("content", ["- a\n- b", "text", ""])
def test_a_file_without_settings_is_refused(tmp_path, content):
    (tmp_path / "settings.yaml").write_text(content)
    with pytest.raises(ValueError, match="holds no settings by name"):
        parse("--config", str(tmp_path / "settings.yaml"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("batchsize: 5", "unknown setting 'batchsize'; did you mean batch_size?"),
        ("frozen: {epoch: 3}", "unknown setting 'frozen.epoch'; did you mean frozen.epochs?"),
        ("fine-tuning: {epochs: 3}", "unknown setting 'fine-tuning'; did you mean fine_tune?"),
        ("1: 2", "unknown setting '1'"),
    ],
)
def test_an_unknown_setting_in_a_file_is_refused_with_the_nearest(tmp_path, content, words):
    (tmp_path / "settings.yaml").write_text(content)
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        parse("--config", str(tmp_path / "settings.yaml"))
    assert "settings.yaml" in str(refused.value)


def test_left_and_right_stay_what_they_are_in_ones_own_pictures():
    assert parse("--config", str(ROOT / "configs" / "own-pictures.yaml")).augmentations == ("plain",)


def test_a_share_is_less_than_the_whole():
    with pytest.raises(ValueError, match="wise_ft_weight must be at least 0 and less than 1, not 1"):
        Stage(epochs=1, learning_rate=0.1, wise_ft_weight=1)


def test_what_goes_with_init_alone_is_refused_without_it():
    with pytest.raises(ValueError, match="--init-vocabulary is the vocabulary of --init"):
        Config(data=ROOT, init_vocabulary=ROOT / "vocab.pkl")


def test_old_names_in_a_file_and_as_flags_are_the_new_ones_and_each_is_warned_of_once(tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    file.write_text(
        "views: [plain, crop]\nfrozen: {epochs: 3, views: [flip], start_share: 0.1}\njoint: {start_share: 0.5}\n"
        "cell_dropout: 0.0\narchitecture: top-down"
    )
    config = parse("--config", str(file), "--joint.views", "crop", "flip", "--frozen.start-share=0.2")
    assert config.augmentations == ("plain", "crop") and config.frozen.augmentations == ("flip",)
    assert config.joint.augmentations == ("crop", "flip")
    assert (config.frozen.wise_ft_weight, config.joint.wise_ft_weight) == (0.2, 0.5)
    assert capsys.readouterr().err.splitlines() == [
        "warning: views is now augmentations",
        "warning: start_share is now wise_ft_weight",
        "warning: cell_dropout is gone: leave it out",
        "warning: architecture is gone: leave it out",
    ]


@pytest.mark.parametrize(
    ("flags", "same"),
    [
        (["--views", "plain"], ["--augmentations", "plain"]),
        (["--frozen.start_share", "0.3"], ["--frozen.wise-ft-weight", "0.3"]),
        (["--cell-dropout", "0", "--seed", "3"], ["--seed", "3"]),
        (["--architecture=top-down"], []),
    ],
)
def test_old_flags_alone(capsys, flags, same):
    assert parse(*flags) == parse(*same)
    assert capsys.readouterr().err.count("warning: ") == 1


def test_new_names_are_not_warned_of(capsys):
    parse("--augmentations", "plain", "--frozen.wise-ft-weight", "0.3")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "flags", [["--cell-dropout", "0.1"], ["--cell-dropout=0.3"], ["--architecture", "stacked"], ["--architecture"]]
)
def test_a_setting_that_is_gone_is_refused_where_it_meant_more(flags):
    with pytest.raises(ValueError, match=r"the setting (cell_dropout|architecture) is gone"):
        with_file(flags)
