"""An XMP packet (ISO 16684-1) of which some properties are read and written, and all else stays as it stands.

XMP is kept as attributes or elements, in UTF-8 or UTF-16, with the xpacket wrapper or without. Edited is the XML
itself: what other programs have in it, in whatever namespaces, is not interpreted, and so not lost.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from lxml import etree

from collection.metadata.errors import MetadataRefused

Container = Literal["Bag", "Seq"]
LARGEST = 16 * 2**20  # bytes; darktable's longest histories of edits are a tenth
DEFAULT = "x-default"
"""The language of what is shown to those whose own there is not."""
OURS = "captioner"
NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    OURS: "http://ns.image-captioner.invalid/1.0/",  # nobody's domain (RFC 2606): a name, and no address
}
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_META = "{adobe:ns:meta/}"
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n </rdf:RDF>\n</x:xmpmeta>\n'
    '<?xpacket end="w"?>'
)
_DECLARATION = re.compile(r"^\s*(<\?xml\s[^>]*\?>)")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # which begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))


class Packet:
    """Names of properties have the prefixes of NAMESPACES, whatever those of the packet are."""

    def __init__(self, data: bytes = b"") -> None:
        """Of nothing, a new one. Raises MetadataRefused: no XMP, or more than XMP needs (a DTD, 16 MB)."""
        if len(data) > LARGEST:
            raise MetadataRefused(f"The XMP is larger than {LARGEST // 2**20} MB.")
        self._mark, self._encoding = _encoding_of(data)
        try:
            text = data[len(self._mark) :].decode(self._encoding).strip("\0 \t\r\n") or _EMPTY
        except UnicodeDecodeError as error:
            raise MetadataRefused(f"The XMP is not {self._encoding.upper()}: {error.reason}.") from None
        if "<!DOCTYPE" in text:  # XMP has none, and entities are what harm is done with
            raise MetadataRefused("The XMP has a document type declaration, and is not read.")
        declaration = _DECLARATION.match(text)
        self._declaration = declaration[1] + "\n" if declaration else ""
        parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False)
        try:
            root = etree.fromstring(text.encode(), parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise MetadataRefused(f"The XMP is not XML: {error}.") from None
        self._tree = root.getroottree()
        found = next(root.iter(f"{_RDF}RDF"), None)
        if found is None:
            raise MetadataRefused("The XML is no XMP: there is no rdf:RDF in it.")
        self._rdf = found

    def to_bytes(self) -> bytes:
        """In the encoding that it came in."""
        text = self._declaration + etree.tostring(self._tree, encoding="unicode")
        return bytes(self._mark + text.encode(self._encoding))

    def alternatives(self, name: str) -> dict[str, str]:
        """The texts by language; one without is DEFAULT's."""
        return {language: _text(item) for language, item in self._alternatives(name)}

    def set_alternative(self, name: str, language: str, text: str) -> None:
        """Of "", the alternative goes."""
        item = dict(self._alternatives(name)).get(language)
        if item is not None and not isinstance(item, str) and item.tag == f"{_RDF}li":
            if text:
                _set_text(item, text)
            else:
                item.getparent().remove(item)
            return
        if not text:
            self._remove(name)
            return
        before = self.alternatives(name)
        container = self._container(name, "Alt")
        if not len(container):  # it was a text in no array
            before.pop(language, None)
            for known, other in before.items():
                _add_item(container, other).set(_LANGUAGE, known)
        added = _add_item(container, text)
        added.set(_LANGUAGE, language)
        if language == DEFAULT:  # it stands first
            container.insert(0, added)

    def items(self, name: str) -> list[str]:
        found = self._find(name)
        if found is None:
            return []
        return [text for text in map(_text, _items(found)) if text]

    def set_items(self, name: str, items: Sequence[str], container: Container) -> None:
        """Those that are there already stay as they stand; of none, the property goes."""
        if not items:
            self._remove(name)
            return
        array = self._container(name, container)
        for element in array.findall(f"{_RDF}li"):
            if _text(element) not in items:
                array.remove(element)
        there = self.items(name)
        for item in items:
            if item not in there:
                _add_item(array, item)

    def text(self, name: str) -> str:
        found = self._find(name)
        return "" if found is None else _text(found)

    def set_text(self, name: str, text: str) -> None:
        """Of "", the property goes."""
        self._remove(name)
        if text:
            self._new(name).text = text

    def facts(self) -> Counter[tuple[str, str]]:
        """What the packet says, however it is written: paths of properties, and their values."""
        return Counter(
            fact for description in self._descriptions() for fact in _facts(description, "", is_description=True)
        )

    def _descriptions(self) -> list[Any]:
        return list(self._rdf.findall(f"{_RDF}Description"))

    def _find(self, name: str) -> Any:
        """The property's element, or its text where it is an attribute; None where there is neither."""
        full = _full(name)
        for description in self._descriptions():
            if (found := description.find(full)) is not None:
                return found
            if full in description.attrib:
                return description.get(full)
        return None

    def _alternatives(self, name: str) -> Iterator[tuple[str, Any]]:
        found = self._find(name)
        for item in () if found is None else _items(found):
            language = DEFAULT if isinstance(item, str) else item.get(_LANGUAGE) or DEFAULT
            yield (DEFAULT if language.lower() == DEFAULT else language), item

    def _container(self, name: str, kind: str) -> Any:
        """Its array, whichever kind it is; where there is none, a new one in place of the text."""
        found = self._find(name)
        if found is not None and not isinstance(found, str):
            array = next((child for child in found if child.tag in _ARRAYS), None)
            if array is not None:
                return array
        self._remove(name)
        return etree.SubElement(self._new(name), f"{_RDF}{kind}")

    def _new(self, name: str) -> Any:
        """An element of ours in a description of ours, about what the others are about."""
        full = _full(name)
        prefix = name.partition(":")[0]
        uri = NAMESPACES[prefix]
        description = next((found for found in self._descriptions() if uri in found.nsmap.values()), None)
        if description is None:
            about = next((found.get(f"{_RDF}about", "") for found in self._descriptions()), "")
            description = etree.SubElement(self._rdf, f"{_RDF}Description", nsmap=NAMESPACES)
            description.set(f"{_RDF}about", about)
        return etree.SubElement(description, full, nsmap={prefix: uri})

    def _remove(self, name: str) -> None:
        full = _full(name)
        for description in self._descriptions():
            description.attrib.pop(full, None)
            for found in description.findall(full):
                description.remove(found)


_ARRAYS = tuple(f"{_RDF}{kind}" for kind in ("Alt", "Bag", "Seq"))


def _encoding_of(data: bytes) -> tuple[bytes, str]:
    """The byte order mark, where there is one, and the encoding."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return mark, encoding
    return b"", next((encoding for start, encoding in _UNMARKED if data.startswith(start)), "utf-8")


def _full(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _items(found: Any) -> list[Any]:
    """The array's elements; of a text that is in none, itself."""
    if isinstance(found, str):
        return [found] if found else []
    array = next((child for child in found if child.tag in _ARRAYS), None)
    if array is None:
        return [found] if _text(found) else []
    return list(array.findall(f"{_RDF}li"))


def _text(found: Any) -> str:
    """Also of one that has qualifiers."""
    if isinstance(found, str):
        return found
    value = found.find(f".//{_RDF}value")
    text = str((found if value is None else value).xpath("string()"))  # without comments
    return text.strip() if len(found) else text


def _set_text(item: Any, text: str) -> None:
    value = item.find(f".//{_RDF}value")
    (item if value is None else value).text = text


def _add_item(container: Any, text: str) -> Any:
    item = etree.SubElement(container, f"{_RDF}li")
    item.text = text
    return item


def _facts(element: Any, path: str, is_description: bool = False) -> Iterator[tuple[str, str]]:
    """Attributes and elements are two ways to write one thing, and so are nested descriptions and parseType."""
    children = [child for child in element if isinstance(child.tag, str)]
    for attribute, value in element.attrib.items():
        if attribute not in (f"{_RDF}about", f"{_RDF}parseType"):
            yield f"{path}/{attribute}", value
    number = 0
    for child in children:
        if child.tag == f"{_RDF}Description" or child.tag in _ARRAYS:
            yield from _facts(child, path if child.tag not in _ARRAYS else f"{path}/{child.tag}", is_description=True)
        else:
            number += child.tag == f"{_RDF}li"
            yield from _facts(child, f"{path}/{child.tag}" + (f"[{number}]" if child.tag == f"{_RDF}li" else ""))
    if not children and not is_description and not set(element.attrib) - {_LANGUAGE, f"{_RDF}parseType"}:
        yield path, element.text or ""
