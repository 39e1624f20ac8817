"""The skeleton alone, with a training of a single number."""

from contextlib import contextmanager

import pytest
import torch

from training.running.results import Results
from training.trainer import Trainer, run_training


class Toy(Trainer):
    """Its scores are given; None stands for a dev split that is not there."""

    def __init__(self, folder, scores, stages, patience=2):
        super().__init__(Results(folder, tensorboard=False), stages, patience)
        self.scores, self.settings, self.train_records, self.kept = scores, {"seed": 1}, [], []
        self.weight = torch.zeros(1)
        self.resume()

    @contextmanager
    def stage(self, name):
        self.optimizer = torch.optim.SGD([self.weight], momentum=0.9)
        yield

    def train_epoch(self, number):
        if len(self.scores) < number:
            raise KeyboardInterrupt
        self.weight.grad = torch.ones(1)
        self.optimizer.step()
        return {"loss": 1.0, "seconds": 9.0, "images_per_second": 5.0}

    def evaluate(self):
        return {"dev": {"CIDEr": self.scores[len(self.history)]}}

    def save_best(self, record):
        self.kept.append(record["epoch"])

    def weights(self):
        return {"weight": self.weight}

    def load_weights(self, content):
        self.weight = content["weight"]


def without_times(toy):
    return [{name: value for name, value in record.items() if name != "evaluation_seconds"} for record in toy.history]


def test_within_an_epoch_its_stage_is_estimated(tmp_path):
    toy = Toy(tmp_path, [0.1], {"first": 3, "second": 1})
    toy._epoch_began -= 10
    assert toy.time_left(0.5) == "0:00:50 + second"


def test_a_stage_ends_early_and_the_best_of_all_is_kept(tmp_path, capsys):
    toy = Toy(tmp_path, [0.1, 0.3, 0.2, 0.3, 0.2, 0.4, 0.1], {"first": 5, "second": 3})
    toy.run()
    assert [record["stage"] for record in toy.history] == ["first"] * 4 + ["second"] * 3
    assert toy.kept == [1, 2, 6]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:5] == [
        "epoch 2: loss 1.000, 9 s, 5.0 images/s, dev CIDEr 0.300 (best so far); 0:00:27 + second left",
        "epoch 3: loss 1.000, 9 s, 5.0 images/s, dev CIDEr 0.200; 0:00:18 + second left",
        "epoch 4: loss 1.000, 9 s, 5.0 images/s, dev CIDEr 0.300; second left",  # the stage ends early
        "epoch 5: loss 1.000, 9 s, 5.0 images/s, dev CIDEr 0.200; 0:00:18 left",
    ]
    assert lines[6] == "epoch 7: loss 1.000, 9 s, 5.0 images/s, dev CIDEr 0.100"
    assert lines[-1] == f"finished: CIDEr 0.400 on the dev split; the model is {tmp_path / 'best_model.pth'}"


def test_without_a_score_the_last_is_the_best(tmp_path):
    toy = Toy(tmp_path, [0.3, 0.2, 0.1, 0.0], {"only": 4})
    toy.score = lambda record: None
    toy.run()
    assert toy.kept == [1, 2, 3, 4]


def test_interrupted_it_goes_on_with_the_optimizers_momentum(tmp_path, capsys):
    scores, stages = [0.1, 0.2, 0.1, 0.3, 0.4], {"first": 3, "second": 2}
    (tmp_path / "whole").mkdir()
    whole = Toy(tmp_path / "whole", scores, stages)
    whole.run()
    assert run_training(lambda: Toy(tmp_path, scores[:2], stages), not_begun="nothing yet") == 130
    message = f"interrupted; {tmp_path / 'best_model.pth'} can be used, the same command goes on"
    assert message in capsys.readouterr().err
    again = Toy(tmp_path, scores, stages)
    assert "going on after epoch 2" in capsys.readouterr().out
    again.run()
    assert without_times(again) == without_times(whole) and again.kept == [4, 5]
    assert torch.equal(again.weight, whole.weight)
    again.run()
    assert len(again.history) == 5


def test_ctrl_c_before_there_is_a_trainer(capsys):
    def start():
        raise KeyboardInterrupt

    assert run_training(start, not_begun="nothing yet") == 130
    assert capsys.readouterr().err == "\nnothing yet\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"settings": {"seed": 2}}, r"other settings \(seed\)"),
        ({"settings": {"seed": 1}, "step": 3}, "a run of another version: choose another --output"),
    ],
)
def test_what_is_not_the_same_run_is_refused(tmp_path, content, words):
    torch.save(content, tmp_path / "last.pth")
    with pytest.raises(ValueError, match=words):
        Toy(tmp_path, [], {"only": 1})
