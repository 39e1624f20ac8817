"""The caption in a copy: read back by another library, with every byte of the pixels as it was."""

import io

import pytest
from PIL import Image, ImageCms, IptcImagePlugin

from collection.metadata import MetadataRefused, described, place, require_library, write_described_copy
from tests.pictures import encoded, photograph

CAPTION = "a cat looks at the camera"
CAPTION_FIELD = (2, 120)


@pytest.fixture(scope="module", autouse=True)
def library():
    require_library()


def picture(format, **options):
    return encoded(photograph("chelsea"), format, **options)


def opened(data):
    return Image.open(io.BytesIO(data))


def xmp_descriptions(data):
    found = opened(data).getxmp()["xmpmeta"]["RDF"]["Description"]["description"]["Alt"]["li"]
    return found["text"] if isinstance(found, dict) else found


def pixels_of(format, data):
    """The part of the file that holds the pixels, encoded."""
    if format == "JPEG":  # from the tables and the frame header on
        return data[data.index(b"\xff\xdb") :]
    if format == "PNG":
        return data[data.index(b"IDAT") - 4 : data.rindex(b"IDAT")]
    if format == "WEBP":
        return data[data.index(b"VP8 ") :].partition(b"XMP ")[0]
    return opened(data).tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_caption_is_in_and_the_pixels_are_as_they_were(format):
    before = picture(format)
    after = described(before, CAPTION)
    assert xmp_descriptions(after) == CAPTION
    assert pixels_of(format, after) == pixels_of(format, before)
    assert opened(after).tobytes() == opened(before).tobytes()


def test_iptc_is_read_by_others():
    fields = IptcImagePlugin.getiptcinfo(opened(described(picture("JPEG"), CAPTION)))
    assert fields == {CAPTION_FIELD: CAPTION.encode()}  # ASCII: no encoding is claimed


def test_words_beyond_ascii_and_a_long_caption():
    text = "eine Katze, größer als üblich " * 100
    fields = IptcImagePlugin.getiptcinfo(opened(described(picture("JPEG"), text)))
    assert fields[(1, 90)] == b"\x1b%G"
    assert text.startswith(fields[CAPTION_FIELD].decode()) and 1990 < len(fields[CAPTION_FIELD]) <= 2000
    assert xmp_descriptions(described(picture("PNG"), text)) == text


def test_what_else_is_in_the_file_stays():
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera maker", 6
    old = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    old += b"<rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='4'/></rdf:RDF></x:xmpmeta>"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    before = picture("JPEG", exif=exif, xmp=old, icc_profile=profile, comment=b"a comment")
    once = described(before, "something else")
    after = opened(described(once, CAPTION))
    assert after.getexif()[0x010F] == "Camera maker" and after.getexif()[0x0112] == 6
    assert after.info["icc_profile"] == profile and after.info["comment"].rstrip(b"\0") == b"a comment"
    description = after.getxmp()["xmpmeta"]["RDF"]["Description"]
    assert description["Rating"] == "4" and description["description"]["Alt"]["li"]["text"] == CAPTION
    assert IptcImagePlugin.getiptcinfo(after) == {CAPTION_FIELD: CAPTION.encode()}


@pytest.mark.parametrize("format", ["GIF", "BMP"])
def test_formats_without_a_place_for_it(format):
    with pytest.raises(MetadataRefused, match="cannot be written"):
        described(encoded(photograph("chelsea"), format), CAPTION)


def test_a_damaged_file_is_refused():
    for data in (b"", b"not a photograph", picture("JPEG")[:100]):
        with pytest.raises(MetadataRefused):
            described(data, CAPTION)


def test_the_copy_goes_into_the_folder_and_the_original_is_not_touched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trip").mkdir()
    original = tmp_path / "trip" / "cat.jpg"
    original.write_bytes(picture("JPEG"))
    before = original.read_bytes()
    copy = write_described_copy("trip/cat.jpg", CAPTION, tmp_path / "copies")
    assert copy == tmp_path / "copies" / "trip" / "cat.jpg" and xmp_descriptions(copy.read_bytes()) == CAPTION
    with pytest.raises(MetadataRefused, match="place of the photograph itself"):
        write_described_copy("trip/cat.jpg", CAPTION, tmp_path)
    with pytest.raises(MetadataRefused, match="No such file"):
        write_described_copy("trip/dog.jpg", CAPTION, tmp_path / "copies")
    assert original.read_bytes() == before and [path.name for path in (tmp_path / "copies").rglob("*.*")] == ["cat.jpg"]


def test_no_path_leads_out_of_the_folder_of_copies(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    inside = tmp_path.relative_to("/")
    assert str(place("a/./b.jpg")) == "a/b.jpg"
    assert place("../b.jpg") == inside / "b.jpg" and place("a/../../b.jpg") == inside / "b.jpg"
    assert place(f"{tmp_path}/b.jpg") == inside / "b.jpg"
