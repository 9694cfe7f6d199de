"""The glowpy command."""

from __future__ import annotations

from glowpy.cli.commands import main

__all__ = ["main"]
