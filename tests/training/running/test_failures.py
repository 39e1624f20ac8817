import pytest

from training.data.records import DatasetRefused
from training.running.failures import exit_status


def test_a_dataset_that_fails_in_the_middle_is_told_and_a_defect_of_ours_is_raised(capsys):
    assert exit_status(DatasetRefused("a.jpg can no longer be read"), begun=True) == 2
    assert capsys.readouterr().err == "error: a.jpg can no longer be read\n"
    with pytest.raises(ValueError, match="ours"):
        exit_status(ValueError("ours"), begun=True)
