import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from model import images
from model.errors import ImageRefused, Refusal
from model.images import LONGEST_SIDE, decode_image, encode_jpeg
from tests.pictures import corners, drawn, encoded

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def close(found, expected, tolerance=24):
    return np.abs(np.array(found, int) - np.array(expected, int)).max() <= tolerance


@pytest.mark.parametrize(
    ("format", "options"),
    [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {}), ("TIFF", {})],
)
def test_every_format_comes_out_as_rgb(format, options):
    image = decode_image(encoded(drawn(), format, **options))
    assert image.mode == "RGB" and image.size == (96, 64)
    assert close(corners(image), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(orientation):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that makes the stored from the upright picture
    stored = drawn() if orientation == 1 else drawn().transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode_image(encoded(stored, "JPEG", quality=95, subsampling=0, exif=exif.tobytes()))
    assert image.size == (96, 64)
    assert close(corners(image), [RED, GREEN, BLUE, WHITE])


def test_broken_exif_does_not_cost_the_photograph():
    image = decode_image(encoded(drawn(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage"))
    assert image.size == (96, 64)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(mode):
    layer = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    layer.paste((0, 0, 0, 255), (0, 0, 16, 32))
    image = decode_image(encoded(layer.convert(mode) if mode != "P" else layer.quantize(4)))
    assert close(image.getpixel((8, 16)), (0, 0, 0)) and close(image.getpixel((24, 16)), WHITE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_other_colour_modes(mode):
    format = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    image = decode_image(encoded(drawn().convert(mode), format))
    assert image.mode == "RGB"
    assert close(image.getpixel((80, 50)), WHITE)


def test_cmyk_jpeg():
    assert close(corners(decode_image(encoded(drawn().convert("CMYK"), "JPEG", quality=95))), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(format):
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(8, axis=0)
    image = decode_image(encoded(Image.fromarray(ramp), format))
    row = np.asarray(image)[0, :, 0]
    assert row[0] == 0 and row[-1] == 255 and abs(int(row[32]) - 129) <= 1


def test_sixteen_bit_colour():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\x00" + struct.pack(">HHH", 65535, 32768, 0) * 4 for _ in range(4))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert close(decode_image(png).getpixel((1, 1)), (255, 128, 0), 1)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_unbounded_modes_are_stretched(kind):
    values = np.array([[-1000, 0], [0, 1000]], kind)
    image = decode_image(encoded(Image.fromarray(values), "TIFF"))
    assert image.getpixel((0, 0)) == (0, 0, 0) and image.getpixel((1, 1)) == WHITE


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_first_frame_of_many(format):
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    image = decode_image(encoded(frames[0], format, save_all=True, append_images=frames[1:]))
    assert close(image.getpixel((8, 8)), RED)


def test_large_photographs_are_bounded_and_small_ones_left_alone():
    assert decode_image(encoded(drawn(3000, 2000), "JPEG")).size == (1024, 683)
    assert decode_image(encoded(Image.new("RGB", (9000, 2)))).size == (LONGEST_SIDE, 1)
    assert decode_image(encoded(drawn(10, 8))).size == (10, 8)


def test_metadata_goes_no_further():
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    image = decode_image(encoded(drawn(), "JPEG", exif=exif.tobytes(), comment=b"SecretComment"))
    assert image.info == {}
    assert b"Secret" not in encode_jpeg(image)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_damaged_or_whole_enough(format, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    data = encoded(noise, format)
    with pytest.raises(ImageRefused) as refused:
        decode_image(data[: int(len(data) * share)])
    assert refused.value.refusal is Refusal.DAMAGED_IMAGE


def test_a_corrupt_file_is_damaged():
    data = bytearray(encoded(drawn(300, 300)))
    data[60:90] = b"\xff" * 30
    with pytest.raises(ImageRefused) as refused:
        decode_image(bytes(data))
    assert refused.value.refusal is Refusal.DAMAGED_IMAGE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"%PDF-1.7 \n",
        b"PK\x03\x04" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        bytes(4096),
    ],
)
def test_other_files_are_not_images(data):
    with pytest.raises(ImageRefused) as refused:
        decode_image(data)
    assert refused.value.refusal is Refusal.NOT_AN_IMAGE


@pytest.mark.parametrize("format", ["ICO", "PPM", "TGA", "EPS"])
def test_formats_that_are_not_offered_are_not_opened(format):
    with pytest.raises(ImageRefused) as refused:
        decode_image(encoded(drawn(), format))
    assert refused.value.refusal is Refusal.NOT_AN_IMAGE


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    bomb = encoded(Image.new("1", (10_000, 4_001)))  # 40.01 megapixels in a few kilobytes
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ImageRefused, match="10000 x 4001") as refused:
        decode_image(bomb)
    assert refused.value.refusal is Refusal.TOO_MANY_PIXELS


def test_a_decompression_bomb_is_refused():
    header = bytearray(encoded(Image.new("1", (8, 8))))
    header[16:24] = struct.pack(">II", 100_000, 100_000)
    header[29:33] = struct.pack(">I", zlib.crc32(bytes(header[12:29])))
    with pytest.raises(ImageRefused) as refused:
        decode_image(bytes(header))
    assert refused.value.refusal is Refusal.TOO_MANY_PIXELS


def test_forty_megapixels_are_accepted():
    side = 6_324  # 39.99 megapixels
    assert decode_image(encoded(Image.new("1", (side, side), 1))).size == (LONGEST_SIDE, LONGEST_SIDE)


def test_encoded_jpeg_opens_again():
    again = Image.open(io.BytesIO(encode_jpeg(drawn())))
    assert again.format == "JPEG" and close(corners(again), [RED, GREEN, BLUE, WHITE])


def test_the_limits_are_the_documented_ones():
    assert images.MAX_PIXELS == 40_000_000 and images.LONGEST_SIDE == 1024
