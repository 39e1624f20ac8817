"""What strangers' files hold beside sound pixels costs nobody a photograph; what is none is called by its name."""

import io
import tracemalloc
from collections import Counter
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageCms

from model.errors import ImageRefused, Refusal
from model.images import TRUNCATED as WARNING
from model.images import decode_image, warning_of
from model.imaging.colour import to_srgb
from tests.odd_files import (
    ADOBE_RGB,
    DAMAGED,
    DISPLAY_P3,
    GREY_GAMMA,
    LINEAR,
    OTHER,
    PICTURE,
    SWAPPED,
    TRUNCATED,
    Odd,
    cmyk_profile,
    odd_files,
    skimage_profile,
    textured,
    turned,
)
from tests.pictures import corners, drawn, encoded, photograph

_DRAWN = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
_KINDS = {
    "PNG, ancillary chunk": 85,
    "PNG, chunk of pixels": 2,
    "JPEG, application segment": 140,
    "TIFF, tag": 260,
    "TIFF, tag of pixels": 1,
    "WebP, chunk of metadata": 29,
    "orientation": 430,
    "JPEG that lacks its end": 185,
    "colour profile": 40,
    "another kind of file": 99,
    "AVIF and HEIC": 9,
}
"""How many there are at least."""


@cache
def files() -> tuple[Odd, ...]:
    return tuple(odd_files())


def shows(image: Image.Image, odd: Odd) -> bool:
    """What `drawn` draws; `textured` is paler, and grey where it is called so."""
    tolerance = 70 if odd.kind == "JPEG that lacks its end" else 30
    wanted = [drawn().convert("L").convert("RGB").getpixel(at) for at in ((20, 12), (76, 12), (20, 51), (76, 51))]
    expected = wanted if odd.name.startswith("grey") else _DRAWN
    difference = np.abs(np.array(corners(image)) - np.array(expected))
    return bool(difference.max() <= tolerance)


def outcome(odd: Odd) -> str:
    try:
        image = decode_image(odd.data)
    except ImageRefused as refused:
        message = str(refused)
        if refused.refusal is Refusal.DAMAGED_IMAGE:
            return DAMAGED
        is_told = (
            odd.said in message and message.count(". ") == 0 and message.endswith(".") and "corrupt" not in message
        )
        return OTHER if is_told and refused.refusal is Refusal.NOT_AN_IMAGE else message
    if not shows(image, odd):
        return f"shows {corners(image)}"
    return TRUNCATED if warning_of(image) == {"warning": WARNING} else PICTURE


@pytest.mark.parametrize("kind", _KINDS)
def test_each_file_is_what_it_is(kind):
    mine = [odd for odd in files() if odd.kind == kind]
    assert len({odd.data for odd in mine}) >= _KINDS[kind]
    assert {odd.name: found for odd in mine if (found := outcome(odd)) != odd.outcome} == {}


def test_there_are_no_other_kinds():
    assert Counter(odd.kind for odd in files()).keys() == _KINDS.keys()


def test_what_unpacks_to_much_is_not_unpacked():
    bombs = [odd for odd in files() if "unpack" in odd.name]
    assert len(bombs) >= 10
    tracemalloc.start()
    try:
        for odd in bombs:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            decode_image(odd.data)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < 20_000_000, odd.name
    finally:
        tracemalloc.stop()


def test_rows_that_are_missing_are_grey_and_the_others_the_files_own():
    whole = encoded(textured(), "JPEG", quality=90)
    sound, cut = (np.asarray(decode_image(data)).astype(int) for data in (whole, whole[: int(len(whole) * 0.94)]))
    rows = np.flatnonzero(np.abs(sound - cut).max(axis=(1, 2)) > 0)
    assert sound.shape == cut.shape and len(sound) * 0.9 <= rows[0] < len(sound)
    assert (cut[-1, -16:] == 128).all()


def test_a_photograph_with_a_grey_corner_is_whole():
    image = photograph("coffee")
    image.paste((128, 128, 128), (300, 200, 600, 400))
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
        assert warning_of(decode_image(encoded(image, "JPEG", **options))) == {}


def test_a_wide_photograph_that_is_decoded_smaller_is_measured_alike():
    whole = encoded(textured(size=(2100, 1300)), "JPEG", quality=85)
    assert decode_image(whole[: int(len(whole) * 0.95)]).info == {"warning": WARNING}
    with pytest.raises(ImageRefused, match="truncated"):
        decode_image(whole[: int(len(whole) * 0.85)])


def matrix_to_srgb(colour, primaries, gamma):
    """By the definitions: the profile's light as XYZ under D50, that as sRGB's, its curve (IEC 61966-2-1)."""
    light = np.array(primaries).T @ (np.array(colour) / 255) ** gamma
    srgb = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]])
    linear = np.clip(np.linalg.inv(srgb) @ light, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("icc", "primaries", "gamma"),
    [
        (ADOBE_RGB, ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 2.2),
        (DISPLAY_P3, ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)), 2.2),
        (LINEAR, ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)), 1.0),
    ],
    ids=["Adobe RGB", "Display P3", "linear"],
)
def test_colours_are_those_that_the_profile_means(format, icc, primaries, gamma):
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    for colour in ((100, 150, 100), (200, 180, 150), (90, 60, 120), (30, 30, 30), (255, 255, 255)):
        image = decode_image(encoded(Image.new("RGB", (32, 32), colour), format, icc_profile=icc, **options))
        expected = matrix_to_srgb(colour, primaries, gamma)
        assert image.mode == "RGB" and np.abs(np.array(image.getpixel((9, 9))) - expected).max() <= 4, colour


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_as_its_profile_means_it(mode):
    grey = Image.new("L", (32, 32), 55).convert(mode) if mode != "I;16" else Image.new("I;16", (32, 32), 55 * 256)
    plain, meant = (
        decode_image(encoded(grey, "PNG", **options)).getpixel((9, 9)) for options in ({}, {"icc_profile": GREY_GAMMA})
    )
    assert plain == (55, 55, 55)
    assert np.abs(np.array(meant) - 128).max() <= 2 and max(meant) - min(meant) <= 1  # 255 (55 / 255)^(1/2.2), nearly


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_inks_as_their_profile_means_them(format):
    inks = {"cyan": (255, 0, 0, 0), "magenta": (0, 255, 0, 0), "black": (0, 0, 0, 255), "paper": (0, 0, 0, 0)}
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    found = {
        name: decode_image(
            encoded(Image.new("CMYK", (32, 32), ink), format, icc_profile=cmyk_profile(), **options)
        ).getpixel((9, 9))
        for name, ink in inks.items()
    }
    assert min(found["paper"]) > 245 and max(found["black"]) < 60
    assert found["cyan"] != (0, 255, 255) and found["magenta"] != (255, 0, 255)  # what is made of them without
    assert found["cyan"][2] > found["cyan"][0] + 80 and found["magenta"][0] > found["magenta"][1] + 80


def test_profiles_of_programs_and_cameras():
    """Real ones, as Pillow's ImageCms reads them."""
    image = photograph("rocket")
    profile = skimage_profile("rocket.jpg")
    found = np.asarray(decode_image(encoded(image, "PNG", icc_profile=profile))).astype(int)
    own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    expected = np.asarray(ImageCms.profileToProfile(image, own, srgb, renderingIntent=1)).astype(int)
    assert np.abs(found - expected).max() <= 2 and np.abs(found - np.asarray(image).astype(int)).max() > 20
    grey = decode_image(encoded(photograph("page"), "PNG", icc_profile=skimage_profile("page.png")))
    assert np.abs(np.asarray(grey).astype(int)[..., 0] - np.asarray(photograph("page")).astype(int)).max() > 10


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_srgb_s_own_profiles_change_no_pixel(format):
    image = photograph("astronaut")
    versions = [skimage_profile("chelsea.png"), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
    plain = decode_image(encoded(image, format)).tobytes()
    for icc in versions:
        assert to_srgb(icc, "RGB") is None
        assert decode_image(encoded(image, format, icc_profile=icc)).tobytes() == plain


def test_transparency_orientation_and_profile_together():
    layer = turned(6).convert("RGBA")
    layer.putalpha(Image.new("L", layer.size, 255))
    layer.paste((0, 0, 0, 0), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode_image(encoded(layer, "PNG", exif=exif, icc_profile=SWAPPED))
    assert image.size == (96, 64)
    red, green, blue, white = (np.array(colour) for colour in corners(image))
    assert (np.abs(red - (0, 0, 255)) < 9).all() and (np.abs(blue - (255, 0, 0)) < 9).all()
    assert (np.abs(green - (0, 255, 0)) < 9).all() and (white > 247).all()
