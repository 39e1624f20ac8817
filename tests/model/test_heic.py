"""HEIC: photographs as phones write them, and files that mean harm, decoded where they can do none."""

import io
import struct
import time

import pillow_heif
import psutil
import pytest
from PIL import Image, ImageCms, ImageDraw

from model import heic
from model.errors import ImageRefused, Refusal
from model.images import LONGEST_SIDE, MAX_PIXELS, decode_image
from tests.pictures import corners, drawn, encoded

_CORNERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


def written(image, **options):
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def as_jpeg(image, **options):
    return encoded(image, "JPEG", quality=95, **options)


@pytest.fixture(scope="module")
def sound():
    return written(drawn(96, 64))


def assert_drawn(image):
    for found, expected in zip(corners(image), _CORNERS, strict=True):
        assert all(abs(a - b) < 12 for a, b in zip(found, expected, strict=True)), found


def test_a_photograph(sound):
    image = decode_image(sound)
    assert image.size == (96, 64) and image.mode == "RGB" and not image.getexif()
    assert_drawn(image)
    large = decode_image(written(drawn(1200, 800)))
    assert max(large.size) == LONGEST_SIDE


def test_it_is_upright(sound):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, expected = (decode_image(write(drawn(96, 64), exif=exif.tobytes())) for write in (written, as_jpeg))
    assert turned.size == expected.size == (64, 96)
    for found, other in zip(corners(turned), corners(expected), strict=True):
        assert all(abs(a - b) < 12 for a, b in zip(found, other, strict=True))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16"])
def test_modes(mode):
    picture = drawn(96, 64).convert("L") if mode == "I;16" else drawn(96, 64).convert(mode)
    assert decode_image(written(picture)).mode == "RGB"


def test_what_is_transparent_is_white():
    picture = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle((0, 0, 47, 63), fill="red")
    image = decode_image(written(picture))
    assert min(image.getpixel((80, 32))) > 240 and image.getpixel((20, 32))[1] < 20


def test_the_colour_profile_goes_along():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    png = heic.to_png(written(drawn(96, 64), icc_profile=profile), MAX_PIXELS, LONGEST_SIDE)
    assert Image.open(io.BytesIO(png)).info["icc_profile"]


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"])
def test_its_brands(sound, brand):
    assert heic.is_heic(sound[:8] + brand + sound[12:])


def test_what_is_none():
    others = [encoded(drawn(), "JPEG"), encoded(drawn(), "AVIF"), b"", b"ftypheic", b"\0\0\0\x20ftypisom" + bytes(100)]
    others.append(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + bytes(100))
    assert not any(map(heic.is_heic, others))


def test_too_many_pixels_are_told_before_they_are_decoded(sound):
    place = sound.index(b"ispe") + 8
    bomb = sound[:place] + struct.pack(">II", 30_000, 30_000) + sound[place + 8 :]
    with pytest.raises(ImageRefused, match="30000 x 30000 pixels; at most 40 megapixels") as refused:
        decode_image(bomb)
    assert refused.value.refusal is Refusal.TOO_MANY_PIXELS


def test_damaged_ones(sound):
    for data in (sound[:200], sound[: len(sound) // 2], sound[:12] + bytes(2000), sound[:100] + b"\xff" * 500):
        with pytest.raises(ImageRefused) as refused:
            decode_image(data)
        assert refused.value.refusal is Refusal.DAMAGED_IMAGE


def test_time_and_memory_have_an_end(sound):
    began = time.monotonic()
    with pytest.raises(ImageRefused, match="too long"):
        heic.to_png(sound, MAX_PIXELS, LONGEST_SIDE, seconds=0.01)
    with pytest.raises(ImageRefused, match="memory"):
        heic.to_png(sound, MAX_PIXELS, LONGEST_SIDE, memory=60_000_000)
    assert time.monotonic() - began < 30
    assert not [child for child in psutil.Process().children() if "model.heic" in " ".join(child.cmdline())]


def test_where_it_is_not_installed(sound, monkeypatch):
    monkeypatch.setattr(heic, "is_installed", lambda: False)
    with pytest.raises(ImageRefused, match=r"HEIC photograph.*requirements/heic\.txt.*JPEG") as refused:
        decode_image(sound)
    assert refused.value.refusal is Refusal.NOT_AN_IMAGE


def test_avif_is_read_by_pillow_itself():
    assert_drawn(decode_image(encoded(drawn(96, 64), "AVIF", quality=95)))
