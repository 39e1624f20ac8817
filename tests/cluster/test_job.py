"""A job's parts in this process; tests/cluster/test_caption.py has the workers."""

import io
import json

import pytest
import torch
from pyarrow import parquet

from cluster.caption import main
from cluster.formats import FORMATS
from cluster.job import DESCRIPTION, PartWorker, Plan, Task, part_name, tasks_left
from collection.journal import record_line
from model.captioner import DecodingOptions
from tests.conftest import SHIPPED
from tests.pictures import encoded, photograph


@pytest.fixture
def plan(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(encoded(photograph("chelsea"), "JPEG"))
    (folder / "cup.jpg").write_bytes(encoded(photograph("coffee"), "JPEG"))
    (folder / "cut.jpg").write_bytes(encoded(photograph("coffee"), "JPEG")[:500])
    options = DecodingOptions(num_captions=2, attention=True)
    return Plan(str(folder), str(tmp_path / "out"), model=SHIPPED, options=options, batch_size=2, part_batches=1)


@pytest.fixture(autouse=True)
def threads():
    """A worker has the process for itself; here the other tests want their threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def arguments(plan, *more):
    files = ["--checkpoint", str(SHIPPED.checkpoint), "--vocabulary", str(SHIPPED.vocabulary), "--device", "cpu"]
    sizes = ["--batch-size", "2", "--part-batches", "1", "--num-captions", "2", "--attention"]
    return ["--input", plan.input, "--output", plan.output, *sizes, *files, *more]


def without_none(value):
    """A column has a value in every row: what a record lacks is null there."""
    if isinstance(value, dict):
        return {name: without_none(one) for name, one in value.items() if one is not None}
    return [without_none(one) for one in value] if isinstance(value, list) else value


def test_parquet_holds_all_of_the_records(plan):
    tasks, left = tasks_left(plan)
    assert left == tasks and [len(task.photographs) for task in tasks] == [2, 1]
    worker = PartWorker(plan)
    assert [worker(task.row())["failed"] for task in tasks] == [0, 1]
    for task in tasks:
        rows = parquet.read_table(worker.output.root + "/" + part_name(task.part, "parquet")).to_pylist()
        [expected] = worker.job.run(task.photographs)
        assert without_none(rows) == without_none(json.loads(json.dumps(expected)))
    assert tasks_left(plan) == (tasks, [])


def test_lines_are_those_of_the_single_process(plan, tmp_path):
    plan = Plan(**vars(plan) | {"format": "jsonl"})
    [first, second], _ = tasks_left(plan)
    worker = PartWorker(plan)
    worker(second.row())
    assert tasks_left(plan)[1] == [first]  # what is written is not done again
    [expected] = worker.job.run(second.photographs)
    written = (tmp_path / "out" / "part-000001.jsonl").read_text()
    assert written == "".join(map(record_line, expected)) and "damaged_image" in written


def test_a_finished_job_starts_no_workers(plan, tmp_path, capsys):
    for task in tasks_left(plan)[0]:
        (tmp_path / "out" / part_name(task.part, "parquet")).write_bytes(b"written")
    assert main(arguments(plan)) == 0
    assert "3 photographs in 2 parts, 2 of them written before" in capsys.readouterr().out


def test_what_cannot_be_done_is_reported_in_one_line(plan, tmp_path, capsys):
    def refusal(*more):
        assert main(arguments(plan, *more)) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    tasks_left(plan)
    assert "begun with format parquet (now jsonl)" in refusal("--format", "jsonl")
    assert "between 1 and 10" in refusal("--beam-size", "11")
    assert "nowhere.pth" in refusal("--checkpoint", str(tmp_path / "nowhere.pth"))
    assert "cannot be listed" in refusal("--input", str(tmp_path / "nowhere"))
    assert "no photographs" in refusal("--input", plan.output)
    (tmp_path / "out" / DESCRIPTION).write_text("[")
    assert "cannot be read" in refusal()
    (tmp_path / "out" / DESCRIPTION).rename(tmp_path / "out" / "thesis.txt")
    assert "is not empty" in refusal()


def test_a_path_that_is_not_utf_8_in_every_format():
    for name, write in FORMATS.items():
        file = io.BytesIO()
        write([{"path": "f\udcfcr.jpg", "caption": "a dog"}], file)
        if name == "parquet":
            assert parquet.read_table(file).to_pylist()[0]["path"] == "f\\xfcr.jpg"
        else:
            assert json.loads(file.getvalue())["path"] == "f\udcfcr.jpg"
    assert json.loads(Task(0, ["f\udcfcr.jpg"]).row()["photographs"]) == ["f\udcfcr.jpg"]
