"""Flags of a flow from a list, and flags of a task: both have the same error messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from glowpy import Flow
from glowpy.command_line import BY_HAND
from glowpy.errors import DefinitionError, FlagError, GlowError
from glowpy.flow.marks import lines_with_is_task
from tests.commands import PATIENCE_S

SCRIPT = "from glowpy import Flow\nprint(Flow().slice([1, 2]).map(str).collect())\n"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-glow.inlin"], "unknown flag -glow.inlin; did you mean -glow.inline?"),
        (["-Glow"], "unknown flag -Glow; did you mean -glow?"),
        (["-glow.taskgroup.id=0"], "unknown flag -glow.taskgroup.id; did you mean "),
        (["-glow.workers", "x"], "-glow.workers=x is not a whole number"),
        (["-glow", "-glow.inline"], "give only one"),
        (["-glow", "-glow.leader=h:port"], "-glow.leader: address 'h:port': 'port' is not a port"),
        (["-glow.flow.id=0", "-glow.taskGroup.id=0"], BY_HAND),
        (["-glow.flow.id=0"], BY_HAND),
        (["glow"], "Flow() takes glowpy's flags only, not 'glow'"),
        (["--key-file=k"], "Flow() takes glowpy's flags only, not '--key-file=k'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_flags_of_a_flow_are_refused_as_those_of_a_script(flags: list[str], said: str) -> None:
    with pytest.raises(FlagError) as error:
        Flow(flags)
    assert said in str(error.value)


def test_flags_that_are_no_text_are_refused_at_the_users_line() -> None:
    with pytest.raises(DefinitionError, match=r"test_flags_of_flows\.py:\d+: .* as text, not 3$"):
        Flow(["-glow.workers", 3])  # type: ignore[list-item]


def test_flags_of_a_flow_that_do_nothing_are_noted(capsys: pytest.CaptureFixture[str]) -> None:
    assert Flow(["-glow.inline", "-glow.rack=r"]).slice([1]).count() == 1
    assert (
        capsys.readouterr().err
        == "glowpy: -glow.rack has an effect only with -glow and is ignored\n"
    )


def test_a_flow_with_flags_is_no_line_that_asks_whether_this_is_a_task() -> None:
    lines = lines_with_is_task()
    Flow(["-glow.inline"])
    assert lines_with_is_task() == lines


@pytest.mark.parametrize(
    "flags",
    [
        ("-glow.flow.id=0", "-glow.taskGroup.id=0"),
        ("-glow.flow.id=0", "-glow.taskGroup.id=@", "-glow.agent.address=127.0.0.1:1"),
        ("-glow", "-glow.flow.id=0"),
        ("-glow.taskGroup.id=0",),
    ],
    ids=" ".join,
)
def test_the_error_of_a_task_started_by_hand_names_the_command(
    flags: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py", *flags],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"glowpy: {BY_HAND}\n")


def test_a_key_file_is_named_in_kebab_case_too(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    with pytest.raises(GlowError, match=f"cannot read key file {missing}"):
        Flow(["-glow", "-key-file", str(missing)]).slice([1]).count()
