"""A program that configures no logging sees no log lines of the package."""

from __future__ import annotations

import subprocess
import sys

LOGGED = "from glowpy.logger import get_logger; get_logger('glowpy.wire').warning('a peer')"


def test_an_unconfigured_logger_writes_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", LOGGED], capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")


def test_a_configured_logger_writes() -> None:
    script = f"import logging; logging.basicConfig(); {LOGGED}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert ended.stderr == b"WARNING:glowpy.wire:a peer\n"
