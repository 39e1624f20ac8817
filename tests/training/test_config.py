"""Settings from files."""

import pytest
import tyro

from tests.conftest import ROOT
from training.config import Config, Stage, with_file


def parse(*arguments):
    return tyro.cli(Config, args=with_file([*arguments, "--data", "somewhere"]))


@pytest.mark.parametrize("name", ["best", "baseline", "tiny", "own-pictures"])
def test_every_file_that_comes_with_it_is_valid(name):
    config = parse("--config", str(ROOT / "configs" / f"{name}.yaml"))
    assert list(config.stages)[:2] == ["frozen", "fine_tune"]


def test_the_best_trains_self_critically_and_the_baseline_does_not():
    best, baseline = (parse("--config", str(ROOT / "configs" / f"{n}.yaml")) for n in ("best", "baseline"))
    assert list(best.stages) == ["frozen", "fine_tune", "self_critical", "joint"]
    assert best.self_critical.bleu_weight and best.joint.bleu_weight and best.joint.wise_ft_weight
    assert all(stage.objective == "cross-entropy" for stage in baseline.stages.values())


def test_every_kind_of_setting(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("frozen: {epochs: 3}\nviews: [plain, crop]\nmixed_precision: true\nseed: 7\nencoder_stride: null")
    config = parse("--config", str(file))
    assert config.frozen.epochs == 3 and config.frozen.learning_rate == 1.5e-3
    assert config.augmentations == ("plain", "crop") and config.mixed_precision and config.seed == 7
    assert config.encoder_stride is None


def test_the_command_line_goes_before_the_file(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("seed: 7\nmixed_precision: true")
    config = parse("--seed", "8", "--config", str(file), "--no-mixed-precision")
    assert config.seed == 8 and not config.mixed_precision


@pytest.mark.parametrize("content", ["- a\n- b", "text", ""])
def test_a_file_without_settings_is_refused(tmp_path, content):
    (tmp_path / "settings.yaml").write_text(content)
    with pytest.raises(ValueError, match="holds no settings by name"):
        parse("--config", str(tmp_path / "settings.yaml"))


def test_left_and_right_stay_what_they_are_in_ones_own_pictures():
    assert parse("--config", str(ROOT / "configs" / "own-pictures.yaml")).augmentations == ("plain",)


def test_a_share_is_less_than_the_whole():
    with pytest.raises(ValueError, match="wise_ft_weight must be at least 0 and less than 1, not 1"):
        Stage(epochs=1, learning_rate=0.1, wise_ft_weight=1)


def test_what_goes_with_init_alone_is_refused_without_it():
    with pytest.raises(ValueError, match="--init-vocabulary is the vocabulary of --init"):
        Config(data=ROOT, init_vocabulary=ROOT / "vocab.pkl")
