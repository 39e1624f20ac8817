"""Lists as people and their programs write them: whatever the header, the separator, the encoding, the spelling."""

import json
import os
import unicodedata

import pytest

from tests.training.drawn_dataset import write as draw
from training.check import main as check
from training.data.features import stamps
from training.data.pixels import compute_pixels
from training.data.records import DatasetRefused, in_split, read_dataset

DOG = ("A dog", "A brown dog", "The dog runs")


def photographs(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def lines(*entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


SEVERAL = {
    "list.csv": [
        "image,caption,caption,caption\na.jpg,A dog,A brown dog,The dog runs\n",
        "image,caption_1,caption_2,caption_3\na.jpg,A dog,A brown dog,The dog runs\n",
        "caption1,caption2,caption3,image\nA dog,A brown dog,The dog runs,a.jpg\n",
        "image,caption,caption.1,caption.2\na.jpg,A dog,A brown dog,The dog runs\n",
        "Image,Caption 0,Caption 1,Caption 2\na.jpg,A dog,A brown dog,The dog runs\n",
        "IMAGE,CAPTION,SPLIT\na.jpg,A dog,train\na.jpg,A brown dog,train\na.jpg,The dog runs,train\n",
        "image_id,text,text\na.jpg,A dog,A brown dog\na.jpg,The dog runs,\n",
        "image_id,caption_1,caption_2\na,A dog,A brown dog\na,The dog runs,\n",
        "split,file_name,sentence_1,sentence_2,sentence_3\ntrain,a.jpg,A dog,A brown dog,The dog runs\n",
        "image,caption,caption,caption,caption,caption\na.jpg,A dog,,A brown dog,,The dog runs\n",
        'path,captions\na.jpg,"[""A dog"", ""A brown dog"", ""The dog runs""]"\n',
        "path,captions\na.jpg,\"['A dog', 'A brown dog', 'The dog runs']\"\n",
        "path,captions\na.jpg,A dog\na.jpg,A brown dog\na.jpg,The dog runs\n",
        "image;caption\na.jpg;A dog\na.jpg;A brown dog\na.jpg;The dog runs\n",
        "sep=;\nimage;caption_1;caption_2;caption_3\na.jpg;A dog;A brown dog;The dog runs\n",
        "image\tcaption\na.jpg\tA dog\na.jpg\tA brown dog\na.jpg\tThe dog runs\n",
        "image_name| comment_number| comment\na.jpg| 0| A dog\na.jpg| 1| A brown dog\na.jpg| 2| The dog runs\n",
        '"image", "caption"\n"a.jpg", A dog\na.jpg, A brown dog\na.jpg, The dog runs\n,\n\n',
        " image , caption \r\na.jpg,A dog\r\na.jpg,A brown dog\r\na.jpg,The dog runs\r\n",
        "image,caption\ra.jpg,A dog\ra.jpg,A brown dog\ra.jpg,The dog runs\r",
    ],
    "LIST.CSV": ["image,caption_1,caption_2,caption_3\na.jpg,A dog,A brown dog,The dog runs\n"],
    "list.tsv": [
        "image\tcaption\na.jpg\tA dog\na.jpg\tA brown dog\na.jpg\tThe dog runs\n",
        "image,caption_1,caption_2,caption_3\na.jpg,A dog,A brown dog,The dog runs\n",
    ],
    "captions.txt": ["image\tcaption\tcaption\tcaption\na.jpg\tA dog\tA brown dog\tThe dog runs\n"],
    "metadata.csv": ["file_name;text_1;text_2;text_3\na.jpg;A dog;A brown dog;The dog runs\n"],
    "list.jsonl": [
        lines({"image": "a.jpg", "caption_1": "A dog", "caption_2": "A brown dog", "caption_3": "The dog runs"}),
        lines({"Image": "a.jpg", "Captions": list(DOG)}),
        lines({"image_id": "a", "caption": ["A dog", "A brown dog"], "captions": ["The dog runs"]}),
        '{"path": "a.jpg", "caption": "A dog", "caption": "A brown dog", "caption": "The dog runs"}\r\n',
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in SEVERAL.items() for text in texts])
def test_no_caption_is_dropped_whatever_the_header(tmp_path, name, text):
    photographs(tmp_path, "a.jpg")
    (tmp_path / name).write_bytes(text.encode())
    [record] = read_dataset(tmp_path)
    assert tuple(caption.strip() for caption in record.captions) == DOG and record.path == tmp_path / "a.jpg"


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "captions.txt", "list.json", "Flickr8k.token.txt"])
def test_what_spreadsheets_write_is_read(tmp_path, encoding, name):
    photographs(tmp_path, "é.jpg")
    image = {
        "images": [{"id": 1, "file_name": "é.jpg"}],
        "annotations": [{"image_id": 1, "caption": "Ein großer Hund"}],
    }
    text = {
        "list.jsonl": json.dumps({"path": "é.jpg", "caption": "Ein großer Hund"}, ensure_ascii=False),
        "list.json": json.dumps(image, ensure_ascii=False),
        "Flickr8k.token.txt": "é.jpg#0\tEin großer Hund",
    }.get(name, "image,caption\né.jpg,Ein großer Hund")
    (tmp_path / name).write_bytes(f"{text}\r\n".encode(encoding))
    for split in ("train", "dev", "test") if name.startswith("Flickr") else ():
        (tmp_path / f"Flickr_8k.{split}Images.txt").write_bytes(("é.jpg\r\n" * (split == "train")).encode(encoding))
    [record] = read_dataset(tmp_path)
    assert record.captions == ("Ein großer Hund",) and record.name == "é.jpg" and record.path.is_file()


NFC, NFD = (unicodedata.normalize(form, "Café Ångström.jpg") for form in ("NFC", "NFD"))
SPELLINGS = [  # on the disk, in the list
    ("a.JPG", "a.jpg"),
    ("a.jpg", "a.JPG"),
    ("IMG_1.jpeg", "img_1.jpeg"),
    (NFC, NFD),
    (NFD, NFC),
    (NFD.upper(), NFC),
    ("photos/a.jpg", "photos\\a.jpg"),
    ("photos/2020/a.jpg", ".\\photos\\2020\\a.jpg"),
    ("Photos/A.JPG", "photos\\a.jpg"),
    ("back\\slash.jpg", "back\\slash.jpg"),
    ("a.jpg", "a"),
    ("a.jpg", " a.jpg "),
    ("straße.jpg", "STRASSE.JPG"),
    ("f\udcfcr.jpg", "f\udcfcr.jpg"),
    ("# a, b;c.jpg", "# a, b;c.jpg"),
    ("Images/deep/a.JPG", "deep/a.jpg"),
]


@pytest.mark.parametrize(("there", "given"), SPELLINGS)
def test_photographs_that_the_list_spells_otherwise(tmp_path, there, given):
    photographs(tmp_path, there, "unrelated/z.jpg")
    (tmp_path / "list.jsonl").write_text(lines({"path": given, "caption": "A dog"}, {"path": given, "text": "A cat"}))
    [record] = read_dataset(tmp_path)
    assert record.path == tmp_path / there and record.captions == ("A dog", "A cat")
    record.name.encode()  # can be printed, digested and kept, whatever the file is called
    assert len(stamps([record]).splitlines()) == 1


def test_two_spellings_of_one_photograph_are_one(tmp_path):
    photographs(tmp_path, *(f"{n}.JPG" for n in range(20)))
    rows = [f"{n}.{ending},A dog {ending}" for ending in ("JPG", "jpg") for n in range(20)]
    (tmp_path / "list.csv").write_text("\n".join(["path,caption", *rows]))
    records = read_dataset(tmp_path)
    assert len(records) == 20 and all(record.captions == ("A dog JPG", "A dog jpg") for record in records)


def test_the_spelling_that_is_there_goes_before_all_others(tmp_path):
    photographs(tmp_path, "a.jpg", "A.jpg", "a.JPG", "b.JPG", "B.jpg", "one/c.jpg", "two/C.jpg")
    entries = [{"path": name, "caption": name} for name in ("A.jpg", "a.JPG", "a.jpg")]
    (tmp_path / "list.jsonl").write_text(lines(*entries))
    assert {record.path.name: record.captions for record in read_dataset(tmp_path)} == {
        name: (name,) for name in ("A.jpg", "a.JPG", "a.jpg")
    }
    (tmp_path / "list.jsonl").write_text(lines(*entries, {"path": "b.jpg", "caption": "A cat"}))
    with pytest.raises(DatasetRefused, match=r"list\.jsonl, line 4: b\.jpg may be B\.jpg or b\.JPG"):
        read_dataset(tmp_path)


REFUSED = {
    "a lone surrogate in a name": (lines({"path": "\ud800.jpg", "caption": "A dog"}), "line 2: .*half a character"),
    "a NUL in a name": (lines({"path": "a\0.jpg", "caption": "A dog"}), "line 2: expected the photograph's path"),
    "Windows-1252": (b'{"path": "b.jpg", "caption": "caf\xe9"}\n', r"line 2: this is not UTF-8 \(byte 0xe9\): save"),
    "Latin-1 and Windows' dashes": (b'{"path": "\x96.jpg", "caption": "A dog"}\n', "line 2: this is not UTF-8"),
    "a surrogate in UTF-8": (b'{"path": "\xed\xa0\x80.jpg", "caption": "A"}\n', "line 2: this is not UTF-8"),
    "a photograph that is a list": (lines({"path": ["a.jpg"], "caption": "A dog"}), "line 2: expected the photograph"),
    "a caption that is none": (lines({"path": "b.jpg", "caption": {"en": "A dog"}}), "line 2: a caption is text"),
    "zeros that a power cut left": (b"\0" * 50 + b"\n", "line 2: this is not JSON"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_said_with_file_and_line(tmp_path, kind):
    photographs(tmp_path, "a.jpg")
    content, words = REFUSED[kind]
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / "list.jsonl").write_bytes(lines({"path": "a.jpg", "caption": "A dog"}).encode() + content)
    with pytest.raises(DatasetRefused, match=r"list\.jsonl, " + words):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "image;caption\na.jpg;A dog;running\n",
            "line 2: expected 2 cells .image;caption., found 3; a caption with a semi",
        ),
        ("image\tcaption\na.jpg\n", "line 2: expected 2 cells .* a caption with a tab"),
        ("sep=;\nimage;caption\na.jpg;A dog\nb.jpg\n", "line 4: expected 2 cells"),
        ('image,caption\na.jpg,"A dog" runs\n', "line 2: ',' expected after"),
        ("image,caption,caption\na.jpg,,\n", "line 2: the caption '' of a.jpg has no words"),
        ("photo\tnote\na.jpg\tA dog\n", "expected a header like 'image,caption', found 'photo\\\\tnote'"),
    ],
)
def test_a_row_that_is_wrong_is_named_in_any_dialect(tmp_path, text, words):
    photographs(tmp_path, "a.jpg")
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DatasetRefused, match=words):
        read_dataset(tmp_path)


def test_a_list_in_utf_16_that_is_cut_off_is_named(tmp_path):
    (tmp_path / "list.csv").write_bytes("image,caption\na.jpg,A dog\n".encode("utf-16")[:-1])
    with pytest.raises(DatasetRefused, match=r"list\.csv, line 2: this is not UTF-16"):
        read_dataset(tmp_path)


def test_half_characters_in_captions_do_no_harm(tmp_path, capsys):
    draw(tmp_path / "data", "karpathy", 6)
    (tmp_path / "data" / "dataset_flickr8k.json").unlink()
    captions = ["A dog \ud83d runs", "A\0 cat", "A cat \udcff\u2028"]
    entries = [{"path": f"{n:04}.jpg", "captions": captions, "split": "train"} for n in range(6)]
    (tmp_path / "data" / "list.jsonl").write_text(lines(*entries))
    assert check(["--data", str(tmp_path / "data"), "--page", str(tmp_path / "page.html")]) == 0
    assert json.loads(capsys.readouterr().out)["captions"] == 18
    assert "A dog ? runs" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_name_that_no_file_can_have_is_a_missing_photograph(tmp_path, capsys):
    """And told as one, with its line: it stops neither a check nor a training."""
    draw(tmp_path / "data", "karpathy", 120)
    (tmp_path / "data" / "dataset_flickr8k.json").unlink()
    entries = [{"path": f"{n:04}.jpg", "caption": "A dog", "split": "train"} for n in range(120)]
    long = "x" * 300 + ".jpg"
    (tmp_path / "data" / "list.jsonl").write_text(lines(*entries, {"path": long, "caption": "A dog", "split": "train"}))
    records = in_split(read_dataset(tmp_path / "data"), "train")
    reason = f"no file can have a name of 304 characters ({tmp_path}/data/list.jsonl, line 121)"
    assert compute_pixels(records, 8, tmp_path / "cache", processes=1).refused == {long: reason}
    assert f"skipped {long}: {reason}" in capsys.readouterr().out
    assert check(["--data", str(tmp_path / "data"), "--page", str(tmp_path / "page.html")]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable"] == {long: reason}


def test_what_is_no_plain_file_is_not_waited_for(tmp_path, capsys):
    draw(tmp_path / "data", "karpathy", 6)
    photograph = tmp_path / "data" / "images" / "0003.jpg"
    photograph.unlink()
    os.mkfifo(photograph)
    assert check(["--data", str(tmp_path / "data"), "--page", str(tmp_path / "page.html")]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable"] == {"0003.jpg": "this is not a plain file"}
