"""Errors in Python, pytest and IPython: frames of the user's code, each sentence once."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from glowpy import Flow, tracebacks
from glowpy.errors import DefinitionError, GlowError, TaskFailed, hide_own_frames
from tests.processes import run

SENTENCE = "invalid literal for int() with base 10: 'many'"
FAILING = """
import sys
from glowpy import Flow

def parse(line):
    return int(line)

def main():
    Flow(sys.argv[1:]).slice(["1", "many"]).map(parse).run()
"""


@pytest.fixture(autouse=True)
def as_without_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracebacks, "_shows_all", False)


def caught(function: Callable[[], object]) -> tuple[BaseException, TracebackType | None]:
    try:
        function()
    except BaseException as exc:  # noqa: BLE001
        return exc, exc.__traceback__
    raise AssertionError("nothing was raised")


def names(trace: TracebackType | None) -> list[str]:
    found = []
    while trace is not None:
        found.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return found


def shown(function: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """The output of Python for an uncaught error."""
    error, trace = caught(function)
    tracebacks.show_exception(type(error), error, trace)
    return capsys.readouterr().err


# --- Python -------------------------------------------------------------------------------------


def failing() -> None:
    Flow(["-glow.inline"]).slice(["1", "many"]).map(int).run()


def test_an_error_of_a_task_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(failing, capsys)
    assert text.count(SENTENCE) == 1
    assert re.findall(r'File "(.*)", line \d+, in (\w+)', text) == [
        (__file__, "caught"),
        (__file__, "failing"),
    ]
    assert "direct cause" not in text and "row: 'many'" in text


def test_an_error_of_a_key_or_an_order_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    rows = Flow(["-glow.inline"]).slice([([1], 2), ("x", 2)])
    for dataset, sentence in (
        (rows.reduce_by_key(max), "unhashable type: 'list'"),
        (rows.map(lambda k, v: k).sort(), "not supported between"),
        (rows.map(lambda k, v: v).flat_map(lambda v: v), "needs an iterable of rows"),
    ):
        assert shown(dataset.run, capsys).count(sentence) == 1


def test_hidden_frames_stay_with_the_error() -> None:
    error, trace = caught(failing)
    with tracebacks.cleaned(error, trace) as short:
        assert names(short) == ["caught", "failing"] and error.__cause__ is None
    assert isinstance(error, TaskFailed) and isinstance(error.__cause__, ValueError)
    assert error.__traceback__ is trace and names(trace)[-1] != "failing"
    assert error.__suppress_context__


def test_an_error_that_was_raised_because_of_ours_shows_ours_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def wrapping() -> None:
        try:
            failing()
        except TaskFailed as exc:
            raise RuntimeError("no report today") from exc

    text = shown(wrapping, capsys)
    assert text.count(SENTENCE) == 1 and "/glowpy/flow/" not in text
    assert text.endswith("RuntimeError: no report today\n")


def test_errors_of_definitions_and_of_names_end_at_the_users_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows: Any = Flow(["-glow.inline"]).slice([1])
    for function in (lambda: rows.map(3), lambda: rows.flatmap(abs), lambda: len(rows)):
        text = shown(function, capsys)
        assert re.findall(r", in (\S+)", text) == ["caught", "<lambda>"], text


def test_frames_of_the_users_code_below_ours_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Any:
        yield 1
        raise LookupError("in the generator")

    text = shown(lambda: Flow(["-glow.inline"]).slice(rows()), capsys)
    assert re.findall(r", in (\S+)", text) == ["caught", "<lambda>", "rows"]


def test_an_error_within_glowpy_shows_its_frames(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glowpy.flow.ops.rowwise.RowOp", None)
    text = shown(lambda: Flow(["-glow.inline"]).slice([1]).map(abs), capsys)
    assert "/glowpy/flow/ops/rowwise.py" in text and "TypeError" in text


def test_debug_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    tracebacks.show_all()
    text = shown(failing, capsys)
    assert text.count(SENTENCE) > 1 and "/glowpy/flow/entry.py" in text
    assert "<glowpy fused steps>" in text, "in the task, too"


def test_the_first_error_installs_the_hooks_and_leaves_those_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def own(*_exception: Any) -> None: ...

    monkeypatch.setattr(sys, "excepthook", own)
    monkeypatch.setattr(threading, "excepthook", own)
    GlowError("a message")
    hooks: Any = sys.excepthook, threading.excepthook
    assert hooks == (own, own)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    DefinitionError("a message")
    assert (
        sys.excepthook.__module__ == threading.excepthook.__module__ == hide_own_frames.__module__
    )


@pytest.mark.parametrize("where", ["main()", "threading.Thread(target=main).start()"])
def test_a_script(where: str, tmp_path: Path) -> None:
    text = f"import threading{FAILING}\n{where}\n"
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    ended = run(tmp_path, "script.py", status=1 if where == "main()" else 0)
    assert ended.stderr.count(SENTENCE) == 1
    files = re.findall(r'File "(.*)", line \d+, in (\S+)', ended.stderr)
    assert [name for file, name in files if file == f"{tmp_path}/script.py"][-2:] == [
        "main",
        "parse",
    ]
    assert "/glowpy/" not in ended.stderr


# --- pytest -------------------------------------------------------------------------------------

TESTS = (
    FAILING
    + """
def test_task():
    main()

def test_definition():
    Flow().slice([1]).join(3)

def test_name():
    Flow().slice([1]).flatmap(abs)
"""
)


@pytest.mark.slow
def test_a_users_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_flow.py").write_text(TESTS.replace("sys.argv[1:]", "[]"), encoding="utf-8")
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_flow.py")
    ended = run(tmp_path, *words, environment={"PYTEST_ADDOPTS": ""}, status=1)
    report, _, summary = ended.stdout.partition("short test summary info")
    assert "3 failed" in summary
    assert report.count(SENTENCE) == 1
    assert "/glowpy/" not in report and "direct cause" not in report
    lines = re.findall(r"^test_flow.py:\d+: (\w+)$", report, re.MULTILINE)
    assert lines == ["TaskFailed", "DefinitionError", "AttributeError"]


# --- IPython ------------------------------------------------------------------------------------

SESSION = """
from IPython.core.interactiveshell import InteractiveShell
from glowpy import Flow

shell = InteractiveShell.instance(colors="nocolor")
for cell in (
    "from glowpy import Flow\\ndef parse(line):\\n    return int(line)",
    "rows = Flow().slice(['1', 'many']).map(parse)\\nrows.run()",
    "rows.join(3)",
):
    shell.run_cell(cell, store_history=True)
"""


@pytest.mark.slow
def test_a_session_of_ipython(tmp_path: Path) -> None:
    (tmp_path / "session.py").write_text(SESSION, encoding="utf-8")
    ended = run(
        tmp_path, "session.py", environment={"IPYTHONDIR": str(tmp_path), "PYTHONWARNINGS": ""}
    )
    text = ended.stdout + ended.stderr
    assert text.count(SENTENCE) == 1 and "/glowpy/" not in text
    assert "Map1 (Cell In[2]:1) failed on" in text and "row: 'many'" in text
    assert "join() needs another dataset, not 3" in text and "Cell In[3]:1" in text
    assert text.count("Traceback (most recent call last)") == 3, "the cells' two, and the task's"
