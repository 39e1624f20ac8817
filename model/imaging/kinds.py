"""Files that are no photograph, or none that can be read: what they are, and what to do."""

from __future__ import annotations

import codecs
import re

from model.imaging import avif, jpeg, tiff

_FORMATS = "JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF"
_EXPORT = f"export it as {_FORMATS}, and send that"
_UNPACK = "unpack it, and send the photograph in it"
_FRAME = f"send one picture of it as {_FORMATS}"
_INSTEAD = f"send a photograph: {_FORMATS}"
_ITSELF = f"download the photograph itself, and send that: {_FORMATS}"
_RAW = "a camera's raw file"

_BEGINNINGS = [
    (rb"....ftypcrx ", f"{_RAW} (Canon's CR3)", _EXPORT),
    (rb"....ftypM4[ABP] ", "a sound", _INSTEAD),
    (rb"....ftypqt  |[\0-\x1f]...(moov|mdat|wide|pnot|free|skip)", "a video (QuickTime)", _FRAME),
    (rb"....ftyp|[\0-\x1f]...(styp|moof|sidx)", "a video (MP4)", _FRAME),
    (rb"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)", _FRAME),
    (rb"RIFF....AVI ", "a video (AVI)", _FRAME),
    (rb"\0\0\x01[\xb3\xba]|\x47(?!IF8).{187}\x47|.{4}\x47.{191}\x47", "a video (MPEG)", _FRAME),
    (rb"FLV\x01", "a video (Flash)", _FRAME),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a video or a sound (Windows Media)", _FRAME),
    (rb"OggS", "a video or a sound (Ogg)", _FRAME),
    (rb"RIFF....WAVE|ID3|fLaC|\xff[\xf1-\xf3\xf9-\xfb]|FORM....AIF", "a sound", _INSTEAD),
    (rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a", "a JPEG XL photograph", _EXPORT),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "a JPEG 2000 photograph", _EXPORT),
    (rb"II\xbc[\0\x01]", "a JPEG XR photograph", _EXPORT),
    (rb"FUJIFILMCCD-RAW", f"{_RAW} (Fujifilm's RAF)", _EXPORT),
    (rb"IIU\0", f"{_RAW} (Panasonic's RW2)", _EXPORT),
    (rb"II\x1a\0\0\0HEAP|IIR[OS]|MMOR|FOVb|\0MRM", _RAW, _EXPORT),
    (rb"8BPS", "a Photoshop document", _EXPORT),
    (rb"gimp xcf", "a GIMP document", _EXPORT),
    (rb".{0,1000}%PDF-", "a PDF document", f"export the page as {_FORMATS}, and send that"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing", _EXPORT),
    (rb"\0\0[\x01\x02]\0[^\0]|icns", "an icon", _EXPORT),
    (rb"DDS ", "a texture (DDS)", _EXPORT),
    (rb"v/1\x01|#\?RADIANCE", "a picture of high dynamic range", _EXPORT),
    (rb"P[1-7]\s", "a PNM picture", _EXPORT),
    (rb"qoif", "a QOI picture", _EXPORT),
    (rb"BPG\xfb", "a BPG photograph", _EXPORT),
    (rb"[\x8a\x8b][MJ]NG\r\n", "an MNG or JNG picture", _EXPORT),
    (rb"\x89PNG\r\n\x1a\n....CgBI", "a PNG in the form that only iPhone apps read", _EXPORT),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF", "a drawing (Windows metafile)", _EXPORT),
    (rb".{128}DICM", "a medical image (DICOM)", _EXPORT),
    (rb"SIMPLE  =", "an astronomical image (FITS)", _EXPORT),
    (rb"\x1f\x8b", "a file packed with gzip", _UNPACK),
    (rb"BZh[1-9]", "a file packed with bzip2", _UNPACK),
    (rb"\xfd7zXZ\0", "a file packed with xz", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "a file packed with zstd", _UNPACK),
    (rb"PK\x03\x04.{26}(mimetype|\[Content_Types\]|word/|ppt/|xl/)|\xd0\xcf\x11\xe0", "an office document", _INSTEAD),
    (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb".{257}ustar", "a tar archive", _UNPACK),
    (rb"\0\x05\x16[\0\x07]", "what macOS keeps beside a file", "send the file whose name has no ._ before it"),
    (rb"L\0\0\0\x01\x14\x02\0", "a Windows shortcut", "send the photograph that it leads to"),
    (rb"\x7fELF|MZ|\xca\xfe\xba\xbe|[\xce\xcf]\xfa\xed\xfe", "a program", _INSTEAD),
    (rb"SQLite format 3\0", "a database", _INSTEAD),
    (
        # a JPEG or PNG with each byte that is no text's replaced, or taken for a letter; a PNG's other line ends
        rb"(\xef\xbf\xbd){3}|\xc3\xbf\xc3\x98\xc3\xbf|(\xef\xbf\xbd|\xc2\x89)PNG|\x89PNG(?!\r\n\x1a\n)",
        "a photograph that was read or sent as if it were text, which destroys it",
        "send the bytes of the file as they are",
    ),
    (
        rb"HTTP/[\d.]+ \d|(--\S+\r?\n)?(?i:content-(type|disposition|length|transfer-encoding)): ",
        "a photograph behind the headers of a message",
        "send what follows the empty line",
    ),
    (rb"\x93NUMPY|\x89HDF\r\n", "an array of numbers", _EXPORT),
]
"""How a file begins, what it is with its article, and what to do."""

_TEXTS = [
    (
        rb"version https://git-lfs\.github\.com/spec/",
        "a Git LFS pointer that stands in the place of a file",
        "run git lfs pull where it came from, and send the photograph",
    ),
    (
        rb"\S*/annex/objects/",
        "a git-annex pointer that stands in the place of a file",
        "run git annex get where it came from, and send the photograph",
    ),
    (rb"<(!doctype\s+)?svg\b", "a drawing (SVG)", _EXPORT),
    (rb"<(!doctype\s+html|html|head|body|title|center|h1)\b", "a web page (HTML), perhaps an error's", _ITSELF),
    (rb"<\?xpacket|<x:xmpmeta", "what programs keep beside a photograph (XMP)", _INSTEAD),
    (rb"<\?xml|<[a-z]", "a text (XML)", _INSTEAD),
    (
        rb"data:image/",
        "a photograph written as a data: address",
        f"decode what follows the comma as base64 to {_FORMATS}",
    ),
    (rb"\[InternetShortcut\]", "a link to a web page", _ITSELF),
    (rb"https?://\S+\s*$", "an address of the web", _ITSELF),
    (rb"[{\[]\s*[\"{\[\]}\d-]", "a text (JSON)", _INSTEAD),
    (rb"(/9j/|iVBORw0KGgo|UklGR|R0lGOD|SUkqA|TU0AKg)", "a photograph written as base64", f"decode it to {_FORMATS}"),
]
"""The same for texts, capitals or not, after white space, comments and the like."""
_READ = 4096  # bytes of a text
_BEFORE = re.compile(rb"<!--.*?-->|<\?xml\b.*?\?>", re.DOTALL)
_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")

_OF_SENSORS = {32803, 34892}
"""Photometric interpretations: a colour filter array, linear raw."""
_OF_CAMERAS = {32767, 34713, 65000, 65535}
"""Compressions of Sony, Nikon, Kodak, Pentax."""
_DNG_VERSION = 50706


def describe(data: bytes) -> str | None:
    """A sentence for the person who sent it: what it is and what to do; None where it might be a photograph."""
    if not data:
        return f"This is an empty file (0 bytes): please send the photograph again, as {_FORMATS}."
    if not data.strip(b"\0"):
        return f"There is nothing but zeros in this file: please fetch the photograph again, and send that: {_FORMATS}."
    if avif.is_avif(data):
        return None
    for pattern, what, advice in _BEGINNINGS:
        if re.match(pattern, data, re.DOTALL):
            return _sentence(what, advice)
    return describe_raw(data) or _describe_jpeg(data) or _describe_text(data)


def describe_raw(data: bytes) -> str | None:
    """Of a camera's raw file that is a TIFF file, too: what a decoder finds in it is a small preview."""
    if data.startswith(b"II*\0") and data[8:10] == b"CR":
        return _sentence(f"{_RAW} (Canon's CR2)", _EXPORT)
    for directory in tiff.directories(data):
        if _DNG_VERSION in directory.tags:
            return _sentence(f"{_RAW} (DNG)", _EXPORT)
        if directory.number(262) in _OF_SENSORS or directory.number(259) in _OF_CAMERAS:
            return _sentence(_RAW, _EXPORT)
    return None


def _describe_jpeg(data: bytes) -> str | None:
    frame = jpeg.take_apart(data).frame if data.startswith(jpeg.SIGNATURE) else None
    if frame and frame.bits > 8:
        return _sentence(f"a JPEG with {frame.bits} bits a colour, as medical devices write it", _EXPORT)
    return None


def _describe_text(data: bytes) -> str | None:
    begin = data[:_READ]
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        begin = begin.decode("utf-16", "replace").encode()
    if _NO_TEXT.search(begin) or begin.startswith(b"GIF8"):
        return None
    text = _BEFORE.sub(b"", begin.removeprefix(codecs.BOM_UTF8)).lstrip()
    for pattern, what, advice in _TEXTS:
        if re.match(pattern, text, re.IGNORECASE):
            return _sentence(what, advice)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)  # which may end within a character
    except UnicodeDecodeError:
        return None
    return _sentence("a text", _INSTEAD)


def _sentence(what: str, advice: str) -> str:
    return f"This is {what}: please {advice}."
