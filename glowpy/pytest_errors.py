"""Hooks of pytest: reports of errors of glowpy have the user's frames only, and each error once.

pytest loads this module in every session with glowpy installed; `-p no:glowpy` turns the hooks off.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import pytest

from glowpy.tracebacks import cleaned, concerns_glowpy


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Hide frames of glowpy and quoted exceptions from the report."""
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
    """Report the user's line as the interrupted one, not a line of glowpy."""
    with cleaned(excinfo.value, excinfo.tb) as shown:
        _show(excinfo, shown)


def _show(info: pytest.ExceptionInfo[BaseException], trace: TracebackType | None) -> None:
    if trace is not None:  # else all frames are glowpy's
        info.traceback = type(info.traceback)(trace)
