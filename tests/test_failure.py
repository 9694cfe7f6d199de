"""The error of a failing step: step, line, host, row and the user's traceback."""

from __future__ import annotations

import pickle
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from glowpy import Flow
from glowpy.errors import GlowError, InputError, OutputError, RowError, TaskFailed
from glowpy.task.failure import NO_ROW, StepFailed, explain, packed, unpacked
from tests.runners import ON_EVERY_RUNNER, Runner

# The agents of the test cluster are named by their addresses.
HOSTS = {"inline": socket.gethostname(), "standalone": socket.gethostname()}


def failure_text(function: Callable[..., Any], rows: Iterable[Any] = (7,), shards: int = 1) -> str:
    """The text of the error when this function, given to map(), raises."""
    with pytest.raises(TaskFailed) as failure:
        Flow(["-glow.inline"]).slice(rows, shards).map(function).run()
    return str(failure.value)


def raising(error: BaseException) -> Callable[[Any], Any]:
    def function(row: Any) -> Any:
        raise error

    return function


def assert_failure(text: str, runner: Runner, words: str) -> None:
    host = re.escape(HOSTS[runner.name]) if runner.name in HOSTS else r"127\.0\.0\.\d"
    assert re.search(f" failed on {host}: {re.escape(words)}(\n|$)", text), text


# --- on every runner -----------------------------------------------------------------------------


@ON_EVERY_RUNNER
def test_the_error_has_step_line_host_row_and_traceback(new_flow: Runner) -> None:
    def divide(row: int) -> float:
        return 1 / row  # the line in the traceback

    line = sys._getframe().f_lineno + 1
    dataset = new_flow().slice([2, 1, 4, 0], 2).map(divide)
    with pytest.raises(TaskFailed) as failure:
        dataset.collect()
    first, row, empty, title, header, place, source, *marks = str(failure.value).splitlines()
    assert first.startswith(f"Map1 (test_failure.py:{line}) failed on ")
    told = "ZeroDivisionError: division by zero"
    assert_failure(first.replace(" in task 1 of 2", ""), new_flow, told)
    assert row == "row: 0"
    assert (empty, title) == ("", "Traceback in the task:")
    assert header == "Traceback (most recent call last):"
    assert re.fullmatch(r'  File ".*test_failure.py", line \d+, in divide', place)
    assert source == "    return 1 / row  # the line in the traceback"
    assert not "".join(marks).strip(" ^~"), "the exception is told once"
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


@ON_EVERY_RUNNER
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(3), "the step called sys.exit(3)"),
        (SystemExit(), "the step called sys.exit()"),
        (SystemExit("enough"), "the step called sys.exit('enough')"),
        (StopIteration("end"), "StopIteration: end"),
        (GeneratorExit(), "GeneratorExit"),
        (ValueError("\ud800 half"), "ValueError: \\ud800 half"),
        (ValueError("two\nlines"), "ValueError: two\nlines"),
    ],
    ids=repr,
)
def test_system_exit_in_a_task_is_an_error(
    new_flow: Runner, error: BaseException, words: str
) -> None:
    flow = new_flow()
    for dataset in (flow.slice([7]).map(raising(error)), flow.slice([7]).filter(raising(error))):
        with pytest.raises(TaskFailed) as failure:
            dataset.run()
        assert_failure(str(failure.value), new_flow, words)
        assert "\nrow: 7\n" in str(failure.value)
        assert type(failure.value.__cause__) is type(error)


@ON_EVERY_RUNNER
def test_an_exit_in_the_code_of_a_row_is_an_error(new_flow: Runner, tmp_path: Path) -> None:
    class Leaving:
        def __str__(self) -> str:
            sys.exit("no text")

        def __hash__(self) -> int:
            sys.exit("no hash")

        def __eq__(self, other: object) -> bool:
            return True

    flow = new_flow()
    leaving = flow.slice([1]).map(lambda row: Leaving())
    with pytest.raises(TaskFailed, match=r"Map1 .*sys.exit\('no text'\)"):
        leaving.save_text_to_file(tmp_path / "out")
    with pytest.raises(TaskFailed, match=r"Partition_scatter2 .*sys.exit\('no hash'\)"):
        leaving.partition(2).run()


class Bad:
    """A row whose own methods raise `error`."""

    error: type[BaseException] = ValueError

    def __hash__(self) -> int:
        raise self.error("no hash")

    def __eq__(self, other: object) -> bool:
        return True

    def __reduce__(self) -> Any:
        raise self.error("no bytes")


class Closed(Bad):
    error = OSError


@ON_EVERY_RUNNER
@pytest.mark.parametrize("kind", [Bad, Closed])
def test_errors_of_a_rows_code_are_reported_at_the_first_attempt(
    new_flow: Runner, kind: type[Bad]
) -> None:
    name = kind.error.__name__
    made = new_flow().slice([1, 2]).map(lambda row: (kind(), row))
    with pytest.raises(TaskFailed, match=f"LocalReduceByKey.* failed on .*: {name}: no hash"):
        made.reduce_by_key(lambda x, y: x + y).run()
    with pytest.raises(TaskFailed, match=f"Map1 .* failed on .*{name}: no bytes"):
        made.collect()


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_errors_that_no_handler_catches_are_reported(error: type[BaseException]) -> None:
    class Last(Bad):
        pass

    Last.error = error
    flow = Flow([])  # inline, a KeyboardInterrupt is the user's own Ctrl-C
    with pytest.raises(TaskFailed, match=f"Map1 .* failed on .*: {error.__name__}: no bytes"):
        flow.slice([1]).map(lambda row: Last()).collect()


class Unpicklable(Exception):
    """An exception that pickle cannot restore: `args` has one of the two arguments."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Quoting(Exception):
    """An exception with a text longer than any message."""

    def __init__(self) -> None:
        super().__init__("begin" + "x" * (70 << 20) + "end")


@ON_EVERY_RUNNER
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Unpicklable(4, "four"), "Unpicklable: 4: four"),
        (Speechless, "Speechless: <its __str__ raised ValueError>"),
        (Quoting, "Quoting: beginxxx"),
    ],
)
def test_exceptions_that_cannot_travel(
    new_flow: Runner, make: Callable[[], Exception], words: str
) -> None:
    def function(row: Any) -> Any:
        raise make()

    with pytest.raises(TaskFailed) as failure:
        new_flow().slice([7]).map(function).run()
    text = str(failure.value)
    assert f": {words}" in text and "row: 7\n" in text and "in function" in text
    assert len(text) < 1_000_000


# --- the row -------------------------------------------------------------------------------------


class Loud:
    def __repr__(self) -> str:
        raise ValueError("no words")


def test_a_long_row_is_cut() -> None:
    text = failure_text(itemgetter("none"), ["x" * 100_000])
    (row,) = re.findall("^row: (.*)$", text, re.MULTILINE)
    assert row.startswith("'xxx") and row.endswith("… (100002 characters)") and len(row) < 600


def test_a_row_that_cannot_be_shown() -> None:
    assert "row: <a Loud whose repr raised ValueError>\n" in failure_text(
        raising(KeyError()), [Loud()]
    )


@pytest.mark.parametrize(
    ("row", "shown"), [(None, "None"), ("a\nb", r"'a\nb'"), ("\udcff", r"'\udcff'"), ([], "[]")]
)
def test_rows_are_shown_on_one_line(row: Any, shown: str) -> None:
    assert f"\nrow: {shown}\n" in failure_text(raising(KeyError()), [row])


def test_a_row_changed_by_the_function_is_shown_changed() -> None:
    def change(row: list[int]) -> None:
        row.append(8)
        raise KeyError

    assert "\nrow: [7, 8]\n" in failure_text(change, [[7]])


def test_kernels_show_the_row_that_the_function_had() -> None:
    flow = Flow(["-glow.inline"])
    for dataset, row in [
        (flow.slice([1, 0, 2]).reduce(lambda x, y: x // y), "0"),
        (flow.slice([("a", 1), ("a", 0)]).reduce_by_key(lambda x, y: x // y), "('a', 0)"),
        (flow.slice([3, "x"]).sort(key=lambda row: row + 1), "'x'"),
    ]:
        with pytest.raises(TaskFailed) as failure:
            dataset.run()
        assert f"\nrow: {row}\n" in str(failure.value)


def test_no_row_is_shown_for_errors_outside_of_rows() -> None:
    def rows() -> Iterable[Any]:
        raise KeyError

    with pytest.raises(TaskFailed) as failure:
        Flow(["-glow.inline"]).source(rows, 1).run()
    assert "Source0" in str(failure.value) and "row:" not in str(failure.value)


# --- to the driver -------------------------------------------------------------------------------


def failed_step() -> Any:
    return Flow(["-glow.inline"]).slice([1], 4).map(abs)._graph.steps[1]


def test_the_host_is_the_one_that_is_given() -> None:
    failure = StepFailed(failed_step(), NO_ROW, KeyError("k"))
    assert explain(failure, 2, "agent-7").endswith(
        " failed on agent-7 in task 2 of 4: KeyError: 'k'"
    )


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (KeyError("k"), TaskFailed),
        (SystemExit(2), TaskFailed),
        (RowError("of a row"), TaskFailed),
        (InputError("no file"), InputError),
        (OutputError("no room"), OutputError),
    ],
    ids=repr,
)
def test_an_exception_that_can_travel_is_the_cause(
    cause: BaseException, kind: type[GlowError]
) -> None:
    error = unpacked("the words", packed(cause))
    assert type(error) is kind and str(error) == "the words"
    assert type(error.__cause__) is type(cause) and error.__cause__.args == cause.args


def test_an_exception_that_cannot_be_unpacked_is_reported_as_text() -> None:
    for cause in (Quoting(), KeyError(threading.Lock())):
        assert packed(cause) == b""
    for data in (b"", b"rubbish", pickle.dumps(3), pickle.dumps([(b"rubbish", None, 9, 0, None)])):
        assert unpacked("the words", data).__cause__ is None
