"""Videos drawn by PyAV, through the command: which moments are chosen, and what broken and hostile files come to."""

import json
import os
import struct
import subprocess
import sys
from fractions import Fraction

import av
import pytest
from PIL import Image

from collection import moments, video
from collection.moments import Video, VideoRefused
from collection.video import main
from tests.conftest import ROOT
from tests.model.colour_captioner import ColourCaptioner
from tests.pictures import corners, drawn

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]
SCENES = ("red", "lime", "blue", "white")
UNTURNED = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
QUARTER = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
"""Display matrices: as phones write them that are held upright, to be turned clockwise."""


def film(path, times, scene=4.0, codec="libx264", images=None, gop=10, size=(64, 48), streams=1):
    """A frame at each of the times, in seconds; another colour every `scene` seconds."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=10) for _ in range(streams)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, "yuv420p", gop
            stream.codec_context.time_base = Fraction(1, 1000)
        for seconds in times:
            image = images or Image.new("RGB", size, SCENES[int(seconds / scene) % len(SCENES)])
            for stream in streams:
                frame = av.VideoFrame.from_image(image)
                frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    return path


def even(seconds, rate=10):
    return [number / rate for number in range(seconds * rate)]


def chosen(path, **options):
    found = Video(str(path), **options)
    return [round(moment.start, 1) for moment in found.moments()], found


@pytest.fixture
def captioned(monkeypatch):
    batches = []
    monkeypatch.setattr(
        video, "load_captioner", lambda settings: ColourCaptioner(lambda images: batches.append(images))
    )
    return batches


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "mpeg4"), ("a.webm", "libvpx")])
def test_a_moment_a_scene_and_none_too_long(tmp_path, name, codec):
    starts, found = chosen(film(tmp_path / name, even(16), codec=codec))
    assert len(starts) == 4 and all(abs(start - 4 * n) <= 1.1 for n, start in enumerate(starts)) and found.is_whole
    starts, found = chosen(film(tmp_path / name, even(35), codec=codec, scene=1000))
    assert starts == [0, 10, 20, 30] and abs(found.duration - 35) < 0.2
    few = film(tmp_path / name, even(25), codec=codec, scene=1000, gop=10_000)  # one keyframe, or few
    assert len(chosen(few)[0]) == 3 and len(chosen(few, gap=5)[0]) == 5


def test_times_are_the_frames_own(tmp_path):
    times = [*even(2), 7.5, 7.6, 21.0, 21.7, *(30 + n / 3 for n in range(12))]
    starts, found = chosen(film(tmp_path / "a.mp4", times, scene=1000, gop=1))
    assert starts == [0, 21, 31] or starts == [0, 21, 31.3] or starts[:2] == [0, 21.0], starts
    assert 33 < found.duration < 34.5 and found.is_whole


def test_a_turned_video_is_upright(tmp_path):
    path = film(tmp_path / "a.mp4", even(2), images=drawn(96, 64), size=(96, 64))
    data = path.read_bytes()
    assert data.count(UNTURNED) == 2  # of the film, and of its track
    at = data.rindex(UNTURNED)
    path.write_bytes(data[:at] + QUARTER + data[at + len(QUARTER) :])
    [moment] = Video(str(path)).moments()
    assert moment.image.size == (64, 96)
    colours = [tuple(round(value / 255) for value in colour) for colour in corners(moment.image)]
    assert colours == [(0, 0, 1), (1, 0, 0), (1, 1, 1), (0, 1, 0)]


def test_rows_and_subtitles(tmp_path, captioned, capsys):
    path = film(tmp_path / "a.mp4", even(40), scene=20)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    assert main([str(tmp_path), "--batch-size", "2", *MODEL]) == 1
    printed = capsys.readouterr()
    *rows, last, bad = map(json.loads, printed.out.splitlines())
    assert [(round(row["start"]), round(row["end"])) for row in rows] == [(0, 10), (10, 20), (20, 30), (30, 40)]
    assert all(row["caption"] and row["model"]["name"] == "colour" for row in rows)
    assert last["moments"] == 4 and abs(last["duration"] - 40) < 0.2 and last["caption"] in {r["caption"] for r in rows}
    assert bad["error"]["code"] == "not_a_video" and "1 videos captioned, 1 failed" in printed.err
    assert [len(batch) for batch in captioned] == [2, 2]

    assert main([str(path), "--format", "webvtt", *MODEL]) == 0
    lines = (tmp_path / "a.vtt").read_text().splitlines()
    assert lines[:3] == ["WEBVTT", "Kind: descriptions", "Language: en"]
    assert lines[4].startswith("00:00:00.000 --> 00:00:2") and lines[7].endswith("--> 00:00:40.000") and len(lines) == 9
    before = (tmp_path / "a.vtt").stat().st_mtime_ns
    assert main([str(path), "--format", "webvtt", *MODEL]) == 0  # a person's own is not written over, nor is ours
    assert (tmp_path / "a.vtt").stat().st_mtime_ns == before and "nothing to do" in capsys.readouterr().err


def test_a_run_that_was_killed_goes_on(tmp_path, captioned, monkeypatch):
    for name in "abc":
        film(tmp_path / f"{name}.mp4", even(3), scene=1)
    command = [str(tmp_path), "--output", str(tmp_path / "rows.jsonl"), *MODEL]
    whole, calls = video.caption_video, []

    def interrupted(path, *rest):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(path, *rest)

    monkeypatch.setattr(video, "caption_video", interrupted)
    assert main(command) == 130 and not (tmp_path / "rows.jsonl").exists()
    with (tmp_path / "rows.jsonl.part").open("ab") as part:  # as a kill within a video leaves it
        row = {"path": str(tmp_path / "b.mp4"), "start": 0.0, "end": 1.0, "caption": "half"}
        part.write(json.dumps(row).encode() + b'\n{"path": "ha')
    assert main(command) == 0 and [os.path.basename(path) for path in calls] == ["a.mp4", *("b.mp4", "b.mp4", "c.mp4")]  # noqa: PTH119
    rows = list(map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines()))
    assert [row["moments"] for row in rows if "moments" in row] == [3, 3, 3] and "half" not in str(rows)
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".jsonl"}


def test_broken_files_end_with_what_could_be_read(tmp_path, captioned, capsys):
    data = film(tmp_path / "a.mkv", even(40), scene=1000, codec="mpeg4").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data[: len(data) // 2])
    assert main([str(tmp_path / "a.mkv"), *MODEL]) == 0
    printed = capsys.readouterr()
    *rows, last = map(json.loads, printed.out.splitlines())
    assert 1 <= len(rows) < 4 and last["warning"] == "truncated" and "captioned is what could be read" in printed.err
    middle = bytearray(data)
    middle[len(data) // 3 : len(data) // 3 + 2000] = os.urandom(2000)
    (tmp_path / "a.mkv").write_bytes(middle)
    assert len(chosen(tmp_path / "a.mkv")[0]) >= 2


def test_hostile_files_are_bounded(tmp_path, monkeypatch):
    inside = film(tmp_path / "inside.mp4", even(2))
    files = {
        "playlist.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{inside}\n#EXT-X-ENDLIST\n".encode(),
        "list.mp4": f"ffconcat version 1.0\nfile {inside}\n".encode(),
        "empty.mp4": b"",
        "noise.mp4": os.urandom(50_000),
        "cut.mp4": inside.read_bytes()[:-600],  # without the table at its end
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in (*files, "pipe.mp4", "nowhere.mp4"):
        with pytest.raises(VideoRefused):
            list(Video(str(tmp_path / name)).moments())
    many = film(tmp_path / "many.mkv", [0.0], streams=120, codec="mpeg4")
    with many.open("rb") as file, moments._opened(file) as container:
        assert len(container.streams) <= 100
    assert chosen(many)[0] == [0]
    with monkeypatch.context() as patched:
        patched.setattr(moments, "MAX_PIXELS", 64 * 48 - 1)
        with pytest.raises(VideoRefused, match="too many"):
            list(Video(str(inside)).moments())
    monkeypatch.setattr(moments, "MOST_FRAMES", 5)
    starts, found = chosen(film(tmp_path / "long.mp4", even(30), scene=1), gap=1)
    assert len(starts) == 5 and not found.is_whole


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.mp4", "--format", "webvtt", "--output", "x.vtt"], "leave --output out"),
        (["a.mp4", "--output", "setup"], "is there already"),
        (["a.mp4", "--gap", "0.1"], "from 1 to 3600"),
    ],
)
def test_a_command_line_that_is_none(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup").touch()
    with pytest.raises(SystemExit):
        main([*arguments, *MODEL])
    assert words in capsys.readouterr().err


def test_without_the_library_it_is_said(tmp_path):
    code = "import sys; sys.modules['av'] = None; from collection.video import main; sys.exit(main(['a.mp4']))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 2 and "pip install -r requirements/video.txt" in told.stderr
