"""Ten random flows under random faults; `make soak N=500` runs more flows."""

from __future__ import annotations

import pytest

from tests.faults.soak import soak

pytestmark = pytest.mark.slow


def test_ten_random_runs() -> None:
    print(soak(10, seed=1))
