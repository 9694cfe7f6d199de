"""docs/faults.md lists every deadline and limit, with the defaults of the code."""

from __future__ import annotations

import re
from pathlib import Path

from glowpy.agent.guard import hard_limit_mb
from glowpy.environment import SCALE_VARIABLE
from glowpy.flags import FLAGS
from glowpy.timing import Timing

TEXT = (Path(__file__).parent.parent / "docs" / "faults.md").read_text(encoding="utf-8")


def test_every_deadline_and_bound_stands_there_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+)( s)? \| \S", TEXT, re.M)
    found = {name: (float(value), bool(unit)) for name, value, unit in rows}
    expected = {
        name: (float(value), name.endswith("_s")) for name, value in Timing()._asdict().items()
    }
    assert found == expected


def test_the_flags_stand_there_with_their_defaults() -> None:
    rows = re.findall(r"^\| `-([\w.]+)` \| (\S+) \| \S", TEXT, re.M)
    defaults = {flag.name: str(flag.default).lower() for flag in FLAGS}
    assert rows
    assert dict(rows) == {name: defaults[name] for name, _value in rows}


def test_claims_of_the_document_hold() -> None:
    assert f"`{SCALE_VARIABLE}=0.1`" in TEXT
    assert "try of four" in TEXT and Timing().lost_attempts == 4
    assert "more than four times as much, and more than 512 MB" in TEXT
    assert (hard_limit_mb(1), hard_limit_mb(1000)) == (512, 4000)
