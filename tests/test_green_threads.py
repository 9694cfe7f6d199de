"""Programs patched by gevent or eventlet end by an error instead of hanging."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import flags_of, run

pytestmark = pytest.mark.slow

GEVENT = "from gevent import monkey\nmonkey.patch_all({how})\n"
EVENTLET = "import eventlet\neventlet.monkey_patch({how})\n"
FLOW = """
from glowpy import Flow
print(Flow().slice(range(4), 2).map(str).collect())
"""
STARTED = """
from glowpy import Channel, Flow
numbers = Channel()
flow = Flow()
flow.channel(numbers).map(str)
run = flow.start()
"""
FED = """
import threading
from glowpy import Channel, Flow
numbers = Channel()
threading.Thread(target=numbers.close).start()
print(Flow().channel(numbers).collect())
"""
ROWS = "['0', '1', '2', '3']\n"


def refusal(tmp_path: Path, script: str, *flags: str) -> str:
    (tmp_path / "script.py").write_text(script)
    ended = run(tmp_path, "-W", "ignore", "script.py", *flags, status=1)
    assert ended.stdout == ""
    return ended.stderr.partition("glowpy.errors.ProgramError: ")[2]


@pytest.mark.parametrize("mode", ["plain", "cluster"])
@pytest.mark.parametrize(
    ("patch", "said"),
    [
        (GEVENT.format(how=""), "gevent has replaced threading and select in this process"),
        (EVENTLET.format(how=""), "eventlet has replaced threading and select in this process"),
    ],
    ids=["gevent", "eventlet"],
)
def test_a_patched_program_is_refused_with_the_remedy(
    mode: str, patch: str, said: str, cluster: str, tmp_path: Path
) -> None:
    text = refusal(tmp_path, patch + FLOW, *flags_of(mode, cluster))
    assert text.startswith(f"{said}, and a run would hang: it needs the system's threads. ")
    assert "patch(thread=False" in text or "patch_all(thread=False" in text


@pytest.mark.parametrize("patch", [GEVENT, EVENTLET], ids=["gevent", "eventlet"])
@pytest.mark.parametrize("script", [STARTED, FED], ids=["start", "channel"])
def test_an_inline_run_needs_no_threads_unless_it_has_channels(
    patch: str, script: str, tmp_path: Path
) -> None:
    assert "replaced threading" in refusal(tmp_path, patch.format(how="") + script, "-glow.inline")
    (tmp_path / "script.py").write_text(patch.format(how="") + FLOW)
    assert run(tmp_path, "-W", "ignore", "script.py", "-glow.inline").stdout == ROWS


@pytest.mark.parametrize("mode", ["plain", "cluster"])
@pytest.mark.parametrize("patch", [GEVENT, EVENTLET], ids=["gevent", "eventlet"])
def test_a_program_that_is_patched_as_the_error_says_runs(
    mode: str, patch: str, cluster: str, tmp_path: Path
) -> None:
    script = patch.format(how="thread=False, select=False") + FLOW
    (tmp_path / "script.py").write_text(script)
    assert run(tmp_path, "-W", "ignore", "script.py", *flags_of(mode, cluster)).stdout == ROWS
