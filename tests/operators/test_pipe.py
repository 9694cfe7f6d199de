"""pipe: rows through Unix commands of any behaviour, on every runner."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from glowpy import Channel, Flow
from glowpy.errors import DefinitionError, TaskFailed
from tests.batch import in_one_run
from tests.processes import started
from tests.runners import ON_EVERY_RUNNER, ON_OTHER_RUNNERS, Runner


def test_lines_go_in_and_lines_come_out(new_flow: Runner) -> None:
    flow = new_flow()
    rows = ["b", "", "a b", "é🙂\u2028", 7, None, "'\"$x\\"]
    assert flow.slice(rows, 3).pipe("cat").collect() == list(map(str, rows))
    assert flow.slice(rows, 3).pipe(["cat"]).map(len).reduce(lambda a, b: a + b).collect() == [17]
    assert flow.slice("ba", 1).pipe("sort").pipe(["tr", "a-z", "A-Z"]).collect() == ["A", "B"]
    assert flow.slice([], 3).pipe("cat; echo end").collect() == ["end"] * 3
    assert flow.slice(["x"]).pipe("printf 'no line end'").collect() == ["no line end"]
    assert flow.slice(["x"]).pipe("printf '\\n\\na\\r\\n'").collect() == ["", "", "a\r"]


def test_bytes_that_are_no_text_come_back(new_flow: Runner) -> None:
    (row,) = new_flow().slice([1]).pipe(r"printf '\377\200'").collect()
    assert os.fsencode(row) == b"\xff\x80"
    rows = new_flow().slice([row]).pipe("od -An -tx1").collect()
    assert rows[0].split() == ["ff", "80", "0a"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "cat",
        "sort -n",
        "tac | tac",
        "cat; exec cat",
        "dd bs=1M 2>/dev/null",
        "cat >&2; seq 0 199999",
    ],
)
def test_buffering_never_blocks_a_pipe(new_flow: Runner, command: str) -> None:
    rows = new_flow("-glow.quiet").source(lambda: range(200_000), 1).pipe(command)
    total = rows.map(int).reduce(lambda a, b: a + b).collect()
    assert total == [sum(range(200_000))]


def test_a_command_may_stop_reading(new_flow: Runner) -> None:
    flow = new_flow()
    rows = flow.source(lambda: range(300_000), 2)
    assert rows.pipe("head -n 2").collect() == ["0", "2", "1", "3"]
    assert rows.pipe("true").collect() == []
    assert rows.pipe("exec <&-; echo done").collect() == ["done", "done"]


def test_a_command_may_close_its_outputs_and_read_on(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    rows = new_flow().source(lambda: range(100_000), 1)
    assert rows.pipe(f"exec >&- 2>&-; cat >{path}").collect() == []
    assert path.read_text() == "".join(f"{row}\n" for row in range(100_000))


def test_a_long_line_that_comes_in_many_pieces(new_flow: Runner) -> None:
    size = 30 << 20
    rows = new_flow().slice([1]).pipe(f"head -c {size} /dev/zero | tr '\\0' x; echo; echo end")
    assert rows.map(lambda line: line if line == "end" else len(line)).collect() == [size, "end"]


def test_a_command_that_finds_nothing_may_say_so(new_flow: Runner) -> None:
    """The error message of a failing `grep` recommends `|| true`."""
    rows = new_flow().slice(["a", "x", "b"], 3)
    assert rows.pipe("grep x || true").collect() == ["x"]


FAILING: list[tuple[Any, str]] = [
    ("echo so sad >&2; exit 3", r"ended with exit status 3; .* ended with:\nso sad"),
    ("cat; exit 4", r"'cat; exit 4' ended with exit status 4$"),
    ("grep x", r"'grep x' ended with exit status 1, and wrote .*: pipe\('grep x \|\| true'\)$"),
    (["grep", "x"], r"\['grep', 'x'\] ended with exit status 1, and wrote .* \|\| true"),
    ("echo no >&2; exit 1", r"ended with exit status 1; its standard error ended with:\nno$"),
    ("no-such-command -x", r"ended with exit status 127; .* ended with:\n.*not found"),
    (["no-such-command", "-x"], r"cannot start \['no-such-command', '-x'\]: No such file"),
    (["/"], r"cannot start \['/'\]: Permission denied"),
    ("kill -9 $$", "was killed by SIGKILL"),
    ("sh -c 'kill -9 $$'; exit $?", "exit status 137, the status of a shell after SIGKILL"),
    ("yes error | head -c 100000 >&2; exit 1", r"ended with:\n(r?ror|error)\nerror"),
]


@pytest.mark.parametrize(("command", "said"), FAILING, ids=[str(each) for each, _ in FAILING])
def test_a_command_that_fails_says_so(new_flow: Runner, command: Any, said: str) -> None:
    with pytest.raises(TaskFailed) as failure:
        new_flow("-glow.quiet").slice("ab", 2).pipe(command).collect()
    text = str(failure.value)
    assert re.match(r"Pipe1 \(test_pipe\.py:\d+\) failed on .*: CommandFailed: ", text), text
    assert re.search(said, text.partition("\nrow")[0], re.M), text
    assert len(text) < 6000


@ON_OTHER_RUNNERS
def test_a_command_that_fails_elsewhere_says_so(new_flow: Runner) -> None:
    command, said = FAILING[0]
    with pytest.raises(TaskFailed, match=said) as failure:
        new_flow("-glow.quiet").slice("ab", 2).pipe(command).collect()
    assert re.match(
        r"Pipe1 \(test_pipe\.py:\d+\) failed on .*: CommandFailed: ", str(failure.value)
    )


@pytest.mark.parametrize(
    ("row", "said"), [("a\nb", "contains a line end"), ("\ud800", "UTF-8, and cannot encode")]
)
def test_a_row_that_is_no_line(new_flow: Runner, row: str, said: str) -> None:
    with pytest.raises(TaskFailed, match=said) as failure:
        new_flow().slice(["fine", row]).pipe("cat").collect()
    assert f"row: {row!r}" in str(failure.value)


@pytest.mark.parametrize("command", ["", [], [""], 7, None, ["cat", 1], "a\0b", b"cat"])
def test_a_command_that_is_none(command: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^test_pipe\.py:\d+: pipe\(\)"):
        Flow(["-glow.inline"]).slice([1]).pipe(command)


@ON_EVERY_RUNNER
def test_a_failure_before_the_command_names_its_step(new_flow: Runner) -> None:
    with pytest.raises(TaskFailed, match=r"^Map1 .*ZeroDivisionError"):
        new_flow().slice([1, 0]).map(lambda row: 1 / row).pipe("cat; sleep 600").collect()


@ON_EVERY_RUNNER
@pytest.mark.slow
def test_processes_of_a_command_end_with_the_command(new_flow: Runner, tmp_path: Path) -> None:
    command = f"(sleep 600 & echo $! >{tmp_path}/$!); cat"  # the parent of `sleep` has ended before
    rows = new_flow().slice([1, 0], 1).pipe(command).map(lambda row: 1 / int(row))
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        rows.collect()
    assert_ended(tmp_path)


def assert_ended(path: Path) -> None:
    """Wait for the ends of all processes whose ids are the names of files."""
    begun = list(path.iterdir())
    assert begun
    for each in begun:
        if each.name.isdigit() and psutil.pid_exists(int(each.name)):
            process = psutil.Process(int(each.name))
            psutil.wait_procs([process], timeout=30)
            assert not process.is_running(), process


SLEEPING = """
from glowpy import Channel, Flow
Flow().slice("ab", 2).pipe("echo ready >&2; sleep 600; cat").run()
"""


@pytest.mark.parametrize("flags", [["-glow.inline"], [], ["-glow"]], ids=str)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.slow
def test_nothing_is_left_of_a_run_that_is_ended(
    flags: list[str], number: int, tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SLEEPING)
    with started(tmp_path, "script.py", *flags) as running:
        running.stderr.await_match("ready")
        running.process.send_signal(number)
        assert running.finish().status != 0


@ON_EVERY_RUNNER
def test_lines_come_back_before_the_next_is_sent(new_flow: Runner) -> None:
    words, answers = Channel(), Channel()
    flow = new_flow()
    flow.channel(words).pipe("sed -u s/a/b/").map(str.upper).add_output(answers)
    handle = flow.start()
    with words:
        for word in ("a", "cab", "x"):
            words.send(word)
            assert answers.receive() == word.replace("a", "b", 1).upper()
    handle.wait()
    assert list(answers) == []


test_in_one_run = in_one_run()
