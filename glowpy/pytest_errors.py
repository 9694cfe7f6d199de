"""Hooks of pytest: a test that ends by an error of glowpy shows the user's frames, and it once.

pytest loads this module in every session where glowpy is installed; `-p no:glowpy` turns it off.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import pytest

from glowpy.tracebacks import cleaned, concerns_glowpy


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Hide frames of glowpy, and the exceptions that its message quotes, from the report."""
    info = call.excinfo
    if info is None or not concerns_glowpy(info.value):
        yield
        return
    whole = info.traceback
    with cleaned(info.value, info.tb) as shown:
        _show(info, shown)
        yield
    info.traceback = whole


@pytest.hookimpl(tryfirst=True)
def pytest_keyboard_interrupt(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Name the user's line, not the one of glowpy that was interrupted."""
    with cleaned(excinfo.value, excinfo.tb) as shown:
        _show(excinfo, shown)


def _show(info: pytest.ExceptionInfo[BaseException], trace: TracebackType | None) -> None:
    if trace is not None:  # else all of it is glowpy's
        info.traceback = type(info.traceback)(trace)
