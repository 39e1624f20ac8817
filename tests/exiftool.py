"""ExifTool, which reads what others wrote: what a photograph or sidecar tells every other program."""

import json
import subprocess
from pathlib import Path


def told(*files: Path) -> list[dict]:
    """Of each file all it tells, by group and name: XMP-dc:Description, IPTC:Caption-Abstract, …"""
    command = ["exiftool", "-json", "-G1", "-struct", "-a", "-api", "largefilesupport", *map(str, files)]
    read = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert read.returncode == 0, read.stderr
    return json.loads(read.stdout)
