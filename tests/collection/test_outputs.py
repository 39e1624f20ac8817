"""A further output format is one class and one line of the registry: nothing else knows a format by its name."""

import json
import sys

import pytest

from collection.caption import main
from collection.outputs import FORMATS, Format, Lines
from tests.collection.test_command_line import QUICK
from tests.pictures import drawn, encoded


class Markdown(Lines):
    help = "a list for a document"
    header = "# Photographs\n\n"

    def lines(self, records):
        return (f"- {record.get('caption', 'none')}: `{record['path']}`\n" for record in records)


class Numbered(Format):
    """Beside each photograph."""

    help = "a caption with its length"
    uses_standard_output = False
    is_resumable_without_file = True

    def earlier(self, path):
        return {"path": path, "caption": "as before"} if path.endswith("b.png") else None

    def write(self, records):
        print([len(record["caption"].split()) for record in records], file=sys.stderr)


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encoded(drawn()))
    return ["a.png", "b.png"]


@pytest.fixture
def markdown(monkeypatch):
    monkeypatch.setitem(FORMATS, "markdown", Markdown)
    return ["--format", "markdown", *QUICK]


def test_a_new_format_on_standard_output_and_in_a_file(photographs, markdown, tmp_path, capsys):
    assert main([*photographs, *markdown]) == 0
    printed = capsys.readouterr()
    title, empty, first, second = printed.out.splitlines()
    assert (title, empty) == ("# Photographs", "")
    assert first.startswith("- ") and first.endswith(": `a.png`") and second == first.replace("a.png", "b.png")
    assert "2 captioned, 0 failed" in printed.err
    assert main([*photographs, *markdown, "--output", "list.md"]) == 0
    assert (tmp_path / "list.md").read_text() == printed.out
    assert "2 captioned, 0 failed in list.md" in capsys.readouterr().err


def test_a_new_format_is_resumed_by_the_same_journal(photographs, markdown, tmp_path, monkeypatch, capsys):
    def interrupted(format, records, file):
        raise KeyboardInterrupt

    command = [*photographs, *markdown, "--batch-size", "1", "--output", "list.md"]
    with monkeypatch.context() as patch:
        patch.setattr(Markdown, "write_file", interrupted)
        assert main(command) == 130
    assert "stopped after 2 of 2 photographs; the same command goes on from there" in capsys.readouterr().err
    lines = (tmp_path / "list.md.part").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == photographs
    assert main(command) == 0
    assert "(2 of them before) in list.md" in capsys.readouterr().err
    assert (tmp_path / "list.md").read_text().startswith("# Photographs\n\n- ")


def test_a_new_format_beside_the_photographs(photographs, monkeypatch, capsys):
    monkeypatch.setitem(FORMATS, "numbered", Numbered)
    assert main([*photographs, "--format", "numbered", *QUICK]) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and "[4]" in printed.err
    assert "2 captioned, 0 failed (1 of them before)" in printed.err  # b.png is done


def test_what_formats_declare_is_what_the_command_line_offers(markdown, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    usage = " ".join(capsys.readouterr().out.split())
    assert "{" + ",".join(FORMATS) + "}" in usage
    assert all(f"{name}: {format.help}" in usage for name, format in FORMATS.items())


@pytest.mark.parametrize("name", [name for name, format in FORMATS.items() if not format.takes_file])
def test_a_format_that_takes_no_file_refuses_one(name, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["a.png", "--format", name, "--output", str(tmp_path / "file")])
    assert stopped.value.code == 2
    assert f"--format {name} goes into no file: leave --output out" in capsys.readouterr().err
