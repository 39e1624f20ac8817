"""docs/scaling.md says what was measured, and the arithmetic from there to a billion photographs is right."""

import json

import pytest

from benchmarks.scaling import DOLLARS_AN_HOUR, GPU_SHARE, RESNET_PER_SECOND, describe, rate
from cluster.job import Done
from tests.conftest import ROOT


def test_the_document_has_the_figures_of_the_record():
    record = json.loads((ROOT / "docs/benchmarks/scaling.json").read_text())
    document = (ROOT / "docs/scaling.md").read_text()
    assert f"<!-- benchmarks scaling -->\n{describe(record)}<!-- /benchmarks -->" in document
    for name, dollars in DOLLARS_AN_HOUR.items():
        assert f"${dollars:.2f}" in document, name
    for name, alone in RESNET_PER_SECOND.items():
        assert f"{alone:,}" in document, name
    assert GPU_SHARE == 0.5 and "We count half" in document


def test_a_billion_by_hand():
    """40 a second are 25 million seconds: 6,944.4 hours, 290 machines for a day, 10 for 30 days, $0.625 a million."""
    workers = [{"count": 2, "images_per_second": 40.0, "bytes_written": 500.0, "seconds": 1.0}]
    record = {
        "machine": {"threads": 2},
        "bytes_read": 50_000.0,
        "decode_ms": 5.0,
        "one_process": {"images_per_second": 50.0},
        "workers": workers,
    }
    row = next(line for line in describe(record).splitlines() if line.startswith("| 2 cores"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["2 cores, measured", "40", "6,944", "290", "10", "0.625", "625"]
    read = next(line for line in describe(record).splitlines() if line.startswith("| a billion photographs like"))
    assert read.split("|")[2:5] == [" 50 ", " 0.5 ", " 2 "]  # 50 KB and 500 bytes a photograph; 40 x 50 KB a second


def test_the_rate_is_of_workers_at_work():
    """Two that take 2 s for 32 photographs are 32 a second together, whatever a third part adds to one of them."""
    parts = [Done(0, 32, 0, 2.0, "a", 1), Done(1, 32, 1, 2.0, "a", 2), Done(2, 16, 0, 1.0, "a", 1)]
    assert rate(parts) == pytest.approx(32)
    assert rate([*parts, Done(3, 10, 0, 1.0, "b", 1)]) == pytest.approx(42)  # the same number on another machine
