"""What of the driver's and the agent's environment a task gets: an allow-list, nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.processes import flags_of, run

pytestmark = pytest.mark.slow

SCRIPT = """
import os
from glowpy import Flow

names = ["SECRET", "LANG", "TZ", "HOME", "GLOWPY_LIFELINE", "PYTHONHASHSEED"]
print(Flow().slice(names).map(lambda name: os.environ.get(name, "-")).collect())
"""


def test_a_task_on_a_cluster_gets_an_allow_list(cluster: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    environment = {"SECRET": "s3cret", "LANG": "C.UTF-8", "TZ": "Asia/Kathmandu"}
    ended = run(tmp_path, "script.py", *flags_of("cluster", cluster), environment=environment)
    secret, lang, zone, home, lifeline, seed = (
        ended.stdout.strip("[]\n").replace("'", "").split(", ")
    )
    assert (secret, lang, zone, home) == ("-", "C.UTF-8", "Asia/Kathmandu", os.environ["HOME"])
    assert lifeline.isdigit() and seed.isdigit()


@pytest.mark.parametrize("mode", ["plain", "inline"])
def test_on_one_machine_a_task_is_the_users_own(mode: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, ""), environment={"SECRET": "s3cret"})
    assert "s3cret" in ended.stdout
