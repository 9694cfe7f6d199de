"""Test tools for your own flows: a real cluster on loopback, and real faults.

>>> from glowpy import Flow
>>> from glowpy.testing import Faults
>>> with Faults() as faults:
...     fault = faults.kill_executor(at_row=3)
...     rows = Flow(["-glow.quiet"]).slice(range(10), 2).map(abs).collect()
>>> rows == list(range(10)), fault.has_happened, sum(faults.recomputed().values())
(True, True, 1)

docs/testing.md is the guide. No other package of glowpy imports this package.
"""

from glowpy.testing.cluster import LocalCluster
from glowpy.testing.faults import ArmedFault, Attempt, Faults
from glowpy.testing.started import BackgroundCall, Started, started

__all__ = [
    "ArmedFault",
    "Attempt",
    "BackgroundCall",
    "Faults",
    "LocalCluster",
    "Started",
    "started",
]
