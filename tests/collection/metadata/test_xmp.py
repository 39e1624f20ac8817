"""XMP packets: what others wrote stays as it stands, in every form that XML has for it, and none does harm."""

import pytest
from lxml import etree

from collection.metadata.errors import MetadataRefused
from collection.metadata.fields import POLICIES, Description, Rules, write
from collection.metadata.xmp import LARGEST, Packet

RECORD = {
    "caption": "a dog runs",
    "languages": {"de": "ein Hund läuft"},
    "tags": [{"name": "dog", "probability": 0.9}, {"name": "animal/cat", "probability": 0.6}],
    "model": {"name": "cnn_lstm", "digest": "sha256:1234"},
}
DESCRIPTION = Description.of(RECORD)

DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <!-- a comment -->
  <rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmp:Rating="4" darktable:history_end="2" darktable:xmp_version="5">
   <darktable:history>
    <rdf:Seq>
     <rdf:li darktable:num="0" darktable:operation="exposure" darktable:params="gz04eJxjYGBgYAFiCQYYOOEEIjd6dmXCRFgZ"/>
     <rdf:li rdf:parseType="Resource"><darktable:num>1</darktable:num></rdf:li>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
LIGHTROOM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="uuid:7" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure2012="+0.35">
  <crs:ToneCurvePV2012><rdf:Seq><rdf:li>0, 0</rdf:li><rdf:li>255, 255</rdf:li></rdf:Seq></crs:ToneCurvePV2012>
 </rdf:Description>
 <rdf:Description rdf:about="uuid:7" xmlns:dublin="http://purl.org/dc/elements/1.1/">
  <dublin:subject><rdf:Bag><rdf:li>family</rdf:li></rdf:Bag></dublin:subject>
  <dublin:rights><rdf:Alt><rdf:li xml:lang="x-default">mine</rdf:li></rdf:Alt></dublin:rights>
 </rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
BARE = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:u="urn:unknown:"
 u:attribute="1"><u:nested rdf:parseType="Resource"><rdf:value>q</rdf:value><u:x xml:lang="fr">y</u:x></u:nested>
 <u:address rdf:resource="https://example.org/"/></rdf:Description></rdf:RDF>"""
ENCODINGS = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16": lambda text: text.replace("UTF-8", "UTF-16").encode("utf-16"),
    "utf-16-be without a mark": lambda text: text.replace("UTF-8", "UTF-16").encode("utf-16-be"),
}


def without_ours(data: bytes, encoding: str) -> list[str]:
    """The packet's elements, comments and attributes, canonical, less what is written here."""
    root = etree.fromstring(data.decode(encoding).lstrip("\ufeff").partition("?>\n")[2].encode() or data)
    ours = [name for name in root.iter() if isinstance(name.tag, str) and is_ours(name.tag)]
    for element in ours:
        element.getparent().remove(element)
    lines = []
    for element in root.iter():
        if isinstance(element.tag, str):
            attributes = sorted((name, value) for name, value in element.attrib.items() if "about" not in name)
            lines.append(f"{element.tag} {attributes} {(element.text or '').strip()}")
        else:
            lines.append(str(element))
    empty = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description [] "
    return [line for line in lines if line != empty]


def is_ours(name: str) -> bool:
    parts = ("description", "subject", "Accessibility", "TagsList", "hierarchicalSubject", "image-captioner")
    return any(part in name for part in parts)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("packet", [DARKTABLE, LIGHTROOM], ids=["darktable", "lightroom"])
def test_all_that_others_wrote_stays_and_so_does_the_encoding(packet, encoding):
    before = ENCODINGS[encoding](packet)
    edited = Packet(before)
    assert write(edited, DESCRIPTION, Rules())
    after = edited.to_bytes()
    codec = "utf-16-be" if encoding.startswith("utf-16-be") else encoding.split()[0]
    assert after[:2] == before[:2]
    assert without_ours(after, codec) == without_ours(before, codec)
    assert ('end="r"' in after.decode(codec)) == (packet is LIGHTROOM)
    again = Packet(after)
    assert again.alternatives("dc:description") == {"x-default": "a dog runs", "de": "ein Hund läuft"}
    assert again.items("dc:subject") == ["family", "dog", "cat"][packet is DARKTABLE :]
    assert write(again, DESCRIPTION, Rules()) == [] and again.to_bytes() == after  # once is enough


def test_what_a_packet_says_is_the_same_however_it_is_written():
    packet = Packet(BARE.encode())
    facts = packet.facts()
    assert sorted(value for _, value in facts) == ["1", "fr", "https://example.org/", "q", "y"]
    write(packet, DESCRIPTION, Rules())
    assert facts <= packet.facts()
    as_elements = BARE.replace('u:attribute="1"', "").replace("<u:nested", "<u:attribute>1</u:attribute><u:nested")
    assert Packet(as_elements.encode()).facts() == facts


FORMS = {
    "an attribute": ('d:description="old"', ""),
    "a text": ("", "<d:description>old</d:description>"),
    "without a language": ("", "<d:description><rdf:Alt><rdf:li>old</rdf:li></rdf:Alt></d:description>"),
    "in another language": (
        "",
        '<d:description><rdf:Alt><rdf:li xml:lang="fr">old</rdf:li></rdf:Alt></d:description>',
    ),
    "with a qualifier": (
        "",
        '<d:description><rdf:Alt><rdf:li xml:lang="x-default"><rdf:Description d:by="me"><rdf:value>old</rdf:value>'
        "</rdf:Description></rdf:li></rdf:Alt></d:description>",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_description_is_found_in_every_form_and_gives_way_by_policy(form, policy):
    attribute, element = FORMS[form]
    data = (
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:d="http://purl.org/dc/elements/1.1/" {attribute}>{element}</rdf:Description></rdf:RDF>'
    ).encode()
    packet = Packet(data)
    write(packet, Description.of({"caption": "new"}), Rules(policy))
    found = Packet(packet.to_bytes()).alternatives("dc:description")
    expected = {"always": "new", "append": "old new"}.get(policy, "old")
    default = found.get("x-default", found.get("fr"))
    assert default == expected
    if form == "in another language":
        assert found["fr"] == "old"
    if form == "with a qualifier":
        assert b'by="me"' in packet.to_bytes()


BOMB = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + BARE
HOSTILE = {
    "entities": (BOMB.encode(), "document type"),
    "a file outside": (b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + BARE.encode(), "document type"),
    "entities in UTF-16": (BOMB.encode("utf-16"), "document type"),
    "no XML": (b"\x89PNG not XML", "UTF-8|not XML"),
    "half": (BARE[:200].encode(), "not XML"),
    "another XML": (b"<svg/>", "no rdf:RDF"),
    "Latin-1": (BARE.replace("q", "ü").encode("latin-1"), "not UTF-8"),
    "deep": (b"<a>" * 100_000, "not XML"),
    "large": (b" " * (LARGEST + 1), "larger than 16 MB"),
}


@pytest.mark.parametrize("harm", HOSTILE)
def test_what_is_no_xmp_is_refused(harm):
    data, words = HOSTILE[harm]
    with pytest.raises(MetadataRefused, match=words):
        Packet(data)
