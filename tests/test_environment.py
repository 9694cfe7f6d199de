"""Environment variables and options of Python in tasks, from the driver or from the agent."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from glowpy.agent.task_environment import checked_options, inherited
from glowpy.driver.fleets.sent_environment import at_start, python_options, sent_environment
from glowpy.errors import FlagError, PlanMismatch, TaskFailed
from tests.failing_scripts import error_text, failure, usage_error
from tests.processes import flags_of, run

SCRIPT = """
import os, sys
os.environ["GIVEN"] += " and changed by the script"
from glowpy import Flow

names = ["SECRET", "GIVEN", "LANG", "TZ", "HOME", "GLOWPY_LIFELINE", "GLOWPY_UNSENT"]
print(Flow().slice(names).map(lambda name: os.environ.get(name, "-")).collect())
options = sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions[-1:]
print(Flow().slice([1], 1).map(lambda _: (
    sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions[-1:])).collect() == [options])
"""
GIVEN = {"SECRET": "s3cret", "LANG": "C.UTF-8", "TZ": "Asia/Kathmandu", "GIVEN": "a"}
CHANGED = "a and changed by the script"


@pytest.mark.slow
def test_tasks_on_a_cluster_get_the_agents_environment_and_what_is_sent(
    cluster: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    words = ["script.py", *flags_of("cluster", cluster), "-glow.env=GIVEN"]
    ended = run(tmp_path, *words, environment=GIVEN)
    values = ended.stdout.splitlines()[0].strip("[]").replace("'", "").split(", ")
    assert values[:5] == ["-", CHANGED, "C.UTF-8", "Asia/Kathmandu", os.environ["HOME"]]
    assert values[5].isdigit() and values[6] == "-"
    (note,) = ended.stderr.splitlines()
    assert note == (
        f"glowpy: {tmp_path}/script.py:7 reads the environment variable SECRET, which the driver "
        "has and this task has not; -glow.env=SECRET sends it to tasks"
    )


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["plain", "inline", "own cluster"])
def test_on_one_machine_tasks_have_the_users_environment_and_options(
    mode: str, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    options = ["-O", "-X", "dev", "-W", "ignore:of a test"]
    words = [*options, "script.py", *flags_of(mode, ""), "-glow.quiet"]
    ended = run(tmp_path, *words, environment=GIVEN)
    values, same = ended.stdout.splitlines()
    assert values.startswith(f"['s3cret', '{CHANGED}', 'C.UTF-8', 'Asia/Kathmandu', ")
    assert same == "True"


@pytest.mark.slow
def test_a_variable_that_a_task_lacks_is_named_by_the_error(cluster: str, tmp_path: Path) -> None:
    script = "import os, glowpy\nglowpy.Flow().slice([1], 1).map(lambda _: os.environ['B']).run()\n"
    ended = failure(tmp_path, "cluster", cluster, script, environment={"B": "only here"})
    text = error_text(ended, TaskFailed)
    assert "KeyError: 'B'" in text and "-glow.env=B" in text.splitlines()[-1]
    assert "only here" not in ended.stderr


@pytest.mark.slow
def test_a_variable_that_makes_a_value_differ_is_noted(cluster: str, tmp_path: Path) -> None:
    script = """
import os, glowpy
least = int(os.environ.get("LEAST", "1"))
glowpy.Flow().slice([1, 2], 1).filter(lambda row: row >= least).run()
"""
    ended = failure(tmp_path, "cluster", cluster, script, environment={"LEAST": "2"})
    assert "least of <lambda>" in error_text(ended, PlanMismatch)
    assert "script.py:3 reads the environment variable LEAST" in ended.stderr


@pytest.mark.slow
def test_a_flag_that_names_what_is_not_set(tmp_path: Path) -> None:
    ended = failure(
        tmp_path, "own cluster", "", "import glowpy; glowpy.Flow()", "-glow.env=NO_SUCH"
    )
    assert "NO_SUCH is not set here" in usage_error(ended)


def test_secrets_of_an_agent_and_its_terminal_are_not_inherited() -> None:
    own = {
        **dict.fromkeys(("GLOWPY_KEY_FILE", "AGENT_KEY_FILE", "CREDENTIALS_DIRECTORY"), "x"),
        **dict.fromkeys(("NOTIFY_SOCKET", "TERM", "COLUMNS", "LINES", "SSH_AUTH_SOCK"), "x"),
        **dict.fromkeys(("DISPLAY", "TMUX_PANE", "PWD", "_", "GLOWPY_RUN"), "x"),
    }
    kept = {"PATH": "/bin", "OMP_NUM_THREADS": "1", "LD_LIBRARY_PATH": "/lib", "http_proxy": "p"}
    assert inherited({**own, **kept}) == kept


@pytest.mark.parametrize("option", ["-c", "-m", "script.py", "-I", "", "-Oc", "-"])
def test_options_that_start_another_program_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match="no option of Python"):
        checked_options([option])


def test_options_of_this_interpreter_may_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_xoptions", {"dev": True, "pycache_prefix": "/c"})
    monkeypatch.setattr(sys, "warnoptions", ["error::FutureWarning"])
    options = python_options()
    assert options[-3:] == ("-Xdev", "-Xpycache_prefix=/c", "-Werror::FutureWarning")
    assert checked_options(options) == list(options)


def test_only_names_leave_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("GLOWPY_KEY_FILE", "/key")
    sent = sent_environment("A=1,SECRET", is_own_cluster=False, is_script=False)
    assert sent.variables["A"] == "1" and sent.variables["SECRET"] == "s3cret"
    sent = sent_environment("", is_own_cluster=False, is_script=False)
    assert "SECRET" in sent.unsent and "SECRET" not in sent.variables
    assert not any(name.startswith("GLOWPY_") for name in (*sent.unsent, *sent.variables))
    own = sent_environment("", is_own_cluster=True, is_script=False)
    assert own.variables["SECRET"] == "s3cret" and own.unsent == ()
    assert not any(name.startswith("GLOWPY_") for name in own.variables)


def test_a_script_that_tasks_run_again_changes_the_environment_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = next(name for name in at_start() if name in os.environ)
    before = at_start()[name]
    monkeypatch.setenv(name, before + ":changed")
    assert at_start()[name] == before


@pytest.mark.parametrize("flag", ["A B=1", "=1", "GLOWPY_RUN=1", "NO_SUCH_VARIABLE"])
def test_flags_that_name_no_variable(flag: str) -> None:
    with pytest.raises(FlagError, match=r"-glow\.env"):
        sent_environment(flag, is_own_cluster=False, is_script=False)
