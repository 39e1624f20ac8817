"""Captions in photographs, as ExifTool tells them: pixels and all other metadata are as they were."""

import io
import os
import signal
import time

import pyexiv2
import pytest
from PIL import Image, ImageCms, IptcImagePlugin
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from collection.metadata import photograph as module
from collection.metadata.errors import MetadataRefused
from collection.metadata.fields import CAPTION_ABSTRACT, KEYWORDS, TEXTS, Description, Rules
from collection.metadata.photograph import described, pixels_digest, require_library
from collection.metadata.places import Copies, InPlace, Sidecars, place
from tests.conftest import no_file_larger_than
from tests.exiftool import told
from tests.pictures import encoded, photograph

RECORD = {
    "caption": "ein Hund läuft",
    "languages": {"en": "a dog runs"},
    "tags": [{"name": "dog", "probability": 0.9}, {"name": "animal/cat", "probability": 0.6}],
    "model": {"name": "cnn_lstm", "digest": "sha256:1234", "device": "cpu"},
}
DESCRIPTION = Description.of(RECORD)
OTHERS = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b"<rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='4' xmlns:u='urn:unknown:' u:a='1'>"
    b"<u:edits><rdf:Seq><rdf:li u:k='v'/></rdf:Seq></u:edits></rdf:Description></rdf:RDF></x:xmpmeta>"
)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
READ = {
    "dc:description": "XMP-dc:Description",
    "dc:subject": "XMP-dc:Subject",
    "Iptc4xmpCore:AltTextAccessibility": "XMP-iptcCore:AltTextAccessibility",
    "Iptc4xmpCore:ExtDescrAccessibility": "XMP-iptcCore:ExtDescrAccessibility",
    "digiKam:TagsList": "XMP-digiKam:TagsList",
    "lr:hierarchicalSubject": "XMP-lr:HierarchicalSubject",
    CAPTION_ABSTRACT: "IPTC:Caption-Abstract",
}
"""ExifTool's name of each field, by that of the table."""
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")


@pytest.fixture(scope="module", autouse=True)
def library():
    require_library()


@pytest.fixture(scope="module")
def originals():
    """By format, each with what cameras and programs write."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera maker", 6
    exif.get_ifd(0x8769)[0x927C] = bytes(range(200))  # a maker note that nobody knows
    image, chunks, tags = photograph("chelsea").resize((120, 80)), PngInfo(), ImageFileDirectory_v2()
    chunks.add_itxt("XML:com.adobe.xmp", OTHERS.decode(), zip=True)
    chunks.add_text("Title", "a title")
    tags[700], tags.tagtype[700], tags[0x010F] = OTHERS, 1, "Camera maker"
    options = {
        "JPEG": {"exif": exif, "xmp": OTHERS, "comment": b"a comment"},
        "PNG": {"exif": exif, "pnginfo": chunks},
        "WEBP": {"exif": exif, "xmp": OTHERS},
        "TIFF": {"tiffinfo": tags},
    }
    return {format: encoded(image, format, icc_profile=PROFILE, **options[format]) for format in FORMATS}


def test_every_field_of_the_table_is_read_by_others_and_nothing_else_is_other(originals, tmp_path):
    for format, before in originals.items():
        (tmp_path / f"before.{format.lower()}").write_bytes(before)
        after, _ = described(before, DESCRIPTION, Rules())
        assert pixels_digest(after) == pixels_digest(before)
        assert described(after, DESCRIPTION, Rules()) == (after, [])
        (tmp_path / f"after.{format.lower()}").write_bytes(after)
    names = [f"{when}.{format.lower()}" for format in FORMATS for when in ("before", "after")]
    found = told(*(tmp_path / name for name in names))
    table = [field.name for field in (*TEXTS, *KEYWORDS)] + [CAPTION_ABSTRACT]
    assert sorted(table) == sorted(READ)
    for format, before, after in zip(FORMATS, found[::2], found[1::2], strict=True):
        texts = [READ[field.name] for field in TEXTS]
        assert {after[name] for name in texts} == {"ein Hund läuft"}
        assert {after[f"{name}-en"] for name in texts} == {"a dog runs"}
        assert after.get("IPTC:Caption-Abstract") == ("ein Hund läuft" if format in ("JPEG", "TIFF") else None)
        assert after["XMP-dc:Subject"] == ["dog", "cat"]
        assert after["XMP-digiKam:TagsList"] == ["dog", "animal/cat"]
        assert after["XMP-lr:HierarchicalSubject"] == ["dog", "animal|cat"]
        assert after["XMP-captioner:Model"] == "cnn_lstm sha256:1234"
        assert not any("DigitalSourceType" in name for name in after)
        kept = {name: value for name, value in before.items() if is_others(name)}
        assert kept == {name: after.get(name) for name in kept} and len(kept) > 20
        assert after["XMP-xmp:Rating"] == 4 and "XMP-u:Edits" in kept and after["IFD0:Make"] == "Camera maker"


def is_others(name):
    group, _, tag = name.partition(":")
    where = ("StripOffsets", "FileSize", "ExifToolVersion", "XMPToolkit", "CurrentIPTCDigest")
    return group not in ("System", "", "ExifTool", "SourceFile") and tag and tag not in where


def test_every_byte_of_a_jpegs_pixels_and_maker_note_is_as_it_was(originals):
    before = originals["JPEG"]
    after, _ = described(before, DESCRIPTION, Rules())
    assert after[after.index(b"\xff\xc0") :] == before[before.index(b"\xff\xc0") :]
    exif = before[before.index(b"Exif\0\0") :][: int.from_bytes(before[before.index(b"Exif\0\0") - 2 :][:2], "big") - 2]
    assert exif in after and bytes(range(200)) in exif


def test_a_persons_iptc_caption_is_not_hidden_and_its_encoding_not_renamed():
    with pyexiv2.ImageData(encoded(Image.new("RGB", (8, 8)), "JPEG")) as image:
        image.modify_iptc({"Iptc.Application2.Caption": "unsere Küche", "Iptc.Application2.City": "Köln"}, "latin-1")
        theirs = image.get_bytes()
    after, changes = described(theirs, DESCRIPTION, Rules())
    assert "dc:description" not in {change.field for change in changes}
    fields = IptcImagePlugin.getiptcinfo(Image.open(io.BytesIO(after)))
    assert fields == {(2, 120): "unsere Küche".encode("latin-1"), (2, 90): "Köln".encode("latin-1")}
    after, changes = described(theirs, DESCRIPTION, Rules("append"))
    fields = IptcImagePlugin.getiptcinfo(Image.open(io.BytesIO(after)))
    assert fields[(2, 120)].decode("latin-1") == "unsere Küche ein Hund läuft" and (1, 90) not in fields
    chinese = Description.of({"caption": "狗"})  # which Latin-1 has not
    after, changes = described(theirs, chinese, Rules("always"))
    assert IptcImagePlugin.getiptcinfo(Image.open(io.BytesIO(after)))[(2, 120)].decode("latin-1") == "unsere Küche"
    long = Description.of({"caption": "größer " * 400})
    after, _ = described(encoded(Image.new("RGB", (8, 8)), "JPEG"), long, Rules())
    fields = IptcImagePlugin.getiptcinfo(Image.open(io.BytesIO(after)))
    assert fields[(1, 90)] == b"\x1b%G" and 1990 < len(fields[(2, 120)]) <= 2000
    assert described(after, long, Rules()) == (after, [])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_every_byte_of_other_chunks_is_as_it_was(format, mode):
    image = Image.new("RGB", (7, 5), "red").convert(mode)
    before = encoded(image, format, **({"lossless": True} if format == "WEBP" else {}))
    for _ in range(2):  # a second time in place of the first
        after, _ = described(before, Description.of({"caption": "odd"}), Rules("always"))
        assert Image.open(io.BytesIO(after)).tobytes() == Image.open(io.BytesIO(before)).tobytes()
        assert after.count(b"<x:xmpmeta") == 1
        chunk = b"VP8L" if format == "WEBP" else b"IDAT"
        assert after.partition(chunk)[2].startswith(before.partition(chunk)[2].partition(b"XMP ")[0])
        before = after
    with pytest.raises(MetadataRefused):
        described(after[:-20], Description.of({"caption": "even"}), Rules("always"))


@pytest.mark.parametrize("format", ["GIF", "BMP", "AVIF"])
def test_formats_without_a_place_for_it(format):
    with pytest.raises(MetadataRefused, match="cannot be written"):
        described(encoded(Image.new("RGB", (16, 16)), format), DESCRIPTION, Rules())


def test_what_would_be_lost_is_not_written(originals, monkeypatch):
    for damaged in (b"", b"not a photograph", originals["JPEG"][:-3000]):
        with pytest.raises(MetadataRefused):
            described(damaged, DESCRIPTION, Rules())
    digests = iter("ab")
    with monkeypatch.context() as patched:
        patched.setattr(module, "pixels_digest", lambda data: next(digests))
        with pytest.raises(MetadataRefused, match="pixels would not be the same"):
            described(originals["WEBP"], DESCRIPTION, Rules())
    others = iter([1, 2])
    monkeypatch.setattr(module, "_others", lambda image: next(others))
    with pytest.raises(MetadataRefused, match="other metadata"):
        described(originals["JPEG"], DESCRIPTION, Rules())


def test_animations_and_pages_are_compared_to_their_last():
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (10, 200)]
    other = [frames[0], Image.new("RGB", (8, 8), (0, 200, 0))]
    for format in ("WEBP", "TIFF"):
        one, two = (
            encoded(pages[0], format, save_all=True, append_images=pages[1:], **({"lossless": True}))
            if format == "WEBP"
            else encoded(pages[0], format, save_all=True, append_images=pages[1:])
            for pages in (frames, other)
        )
        assert pixels_digest(one) != pixels_digest(two)
    with pytest.raises(MetadataRefused, match="too many pixels"):
        pixels_digest(encoded(Image.new("1", (9000, 9000))))


@pytest.fixture
def cat(tmp_path, originals):
    path = tmp_path / "cat.jpg"
    path.write_bytes(originals["JPEG"])
    path.chmod(0o640)
    os.utime(path, ns=(10**18, 10**18 + 7))
    return path


def put(where, path, policy="machine", is_dry=False, record=RECORD):
    return where.write(str(path), Description.of(record), Rules(policy), is_dry=is_dry)


def test_in_place_keeps_time_mode_and_links(cat, tmp_path):
    before = cat.read_bytes()
    _, changes = put(InPlace(), cat, is_dry=True)
    assert changes and cat.read_bytes() == before
    (tmp_path / "link.jpg").symlink_to("cat.jpg")
    added, changes = put(InPlace(), tmp_path / "link.jpg")
    status = cat.stat()
    assert (tmp_path / "link.jpg").is_symlink() and cat.read_bytes() != before
    assert (status.st_mtime_ns, status.st_mode & 0o777) == (10**18 + 7, 0o640)
    assert added["stamp"][:2] == (status.st_size, status.st_mtime_ns)
    assert put(InPlace(), cat) == ({}, []) and cat.stat().st_ino == status.st_ino  # nothing new: nothing is written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat.jpg", "link.jpg"]


def test_where_it_fails_the_photograph_stays(cat, tmp_path):
    before = cat.read_bytes()
    with no_file_larger_than(4000), pytest.raises(OSError, match=r"cat\.jpg"):
        put(InPlace(), cat)
    cat.chmod(0o444)
    if os.geteuid():  # root may all
        with pytest.raises(MetadataRefused, match="read-only"):
            put(InPlace(), cat)
    assert cat.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["cat.jpg"]


def test_killed_at_any_moment_the_photograph_is_the_old_or_the_new_one(cat):
    records = [RECORD | {"caption": text} for text in ("one", "two")]
    whole = {described(cat.read_bytes(), Description.of(record), Rules("always"))[1][0].after for record in records}
    for attempt in range(6):
        child = os.fork()
        if not child:
            while True:
                for record in records:
                    put(InPlace(), cat, "always", record=record)
        end = time.monotonic() + 0.15 + 0.07 * attempt
        while time.monotonic() < end:
            with Image.open(cat) as image:
                image.load()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        [found] = told(cat)
        assert found["XMP-dc:Description"] in whole and found["IPTC:Caption-Abstract"] in whole
    assert put(InPlace(), cat, "always", record=RECORD)[1]
    assert [path.name for path in cat.parent.iterdir()] == ["cat.jpg"]  # what was half written is gone


def test_copies_go_into_the_folder_and_originals_are_not_touched(cat, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = cat.read_bytes()
    added, _ = put(Copies(tmp_path / "copies"), "cat.jpg")
    copy = tmp_path / "copies" / "cat.jpg"
    assert added == {"copy": str(copy)} and copy.stat().st_mtime_ns == 10**18 + 7
    assert told(copy)[0]["XMP-dc:Description"] == "ein Hund läuft" and cat.read_bytes() == before
    with pytest.raises(MetadataRefused, match="place of the photograph itself"):
        put(Copies(tmp_path), "cat.jpg")
    with pytest.raises(MetadataRefused, match="No such file"):
        put(Copies(tmp_path / "copies"), "dog.jpg")
    inside = tmp_path.relative_to("/")
    assert str(place("a/./b.jpg")) == "a/b.jpg" and place(f"{tmp_path}/b.jpg") == inside / "b.jpg"
    assert place("../b.jpg") == inside.parent / "b.jpg"


def test_sidecars_beside_photographs(cat, tmp_path):
    for name, expected in ((None, "cat.jpg.xmp"), ("stem", "cat.xmp"), ("full", "cat.jpg.xmp")):
        assert put(Sidecars(name), cat)[0] == {"sidecar": str(tmp_path / expected)}
    found = told(tmp_path / "cat.jpg.xmp")[0]
    assert found["XMP-dc:Description"] == "ein Hund läuft" and found["XMP-digiKam:TagsList"] == ["dog", "animal/cat"]
    assert put(Sidecars(None), cat)[1] == []
    (tmp_path / "cat.jpg.xmp").unlink()
    assert put(Sidecars(None), cat)[0] == {"sidecar": str(tmp_path / "cat.xmp")}  # the one that is there
    hostile = b'<!DOCTYPE x [<!ENTITY a "a">]><x/>'
    (tmp_path / "cat.xmp").write_bytes(hostile)
    with pytest.raises(MetadataRefused, match="document type"):
        put(Sidecars(None), cat)
    assert (tmp_path / "cat.xmp").read_bytes() == hostile
    (tmp_path / "cat.xmp").write_bytes(b"")  # an empty one holds nothing to lose
    assert put(Sidecars(None), cat)[1]
    assert {path.name for path in tmp_path.iterdir()} == {"cat.jpg", "cat.xmp"}
