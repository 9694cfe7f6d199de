"""Exceptions of tasks at the driver: class, arguments, attributes, notes and chain."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from glowpy.errors import TaskFailed
from glowpy.task import exception_chain
from glowpy.task.exception_chain import pack, unpack
from tests.runners import ON_EVERY_RUNNER, Runner

HAS_GROUPS = hasattr(builtins, "ExceptionGroup")
needs_groups = pytest.mark.skipif(not HAS_GROUPS, reason="Python has groups since 3.11")


class Plain(Exception):
    pass


class Other(Exception):
    """An exception whose constructor takes other arguments than `args`."""

    def __init__(self, code: int, *, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class Prefixing(Exception):
    """An exception with a constructor that changes its argument: `args` makes another text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"error: {text}")


class NoFile(OSError):
    def __init__(self, name: str) -> None:
        super().__init__(2, "no such file", name)


class AsText(Exception):
    def __reduce__(self) -> Any:
        return str, ("x",)


class AsAnother(Exception):
    def __reduce__(self) -> Any:
        return ValueError, ("x",)


class RaisesAgain(Exception):
    def __reduce__(self) -> Any:
        return int, ("no number",)


class Exits(Exception):
    def __setstate__(self, state: Any) -> None:
        raise SystemExit(3)

    def __reduce__(self) -> Any:
        return Exits, (), {"state": 1}


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """The exception with a traceback, a cause and a context."""
    try:
        try:
            raise KeyError("context")
        except KeyError:
            raise error from cause
    except BaseException as exc:  # noqa: BLE001
        return exc


@pytest.mark.parametrize(
    "error",
    [
        Plain("a", 1),
        Other(3, why="because"),
        Prefixing("text"),
        NoFile("x.txt"),
        FileNotFoundError(2, "no such file", "x.txt"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ImportError("no module", name="x"),
        StopIteration(4),
        SystemExit(3),
        SyntaxError("bad", ("x.py", 1, 2, "text")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_class_arguments_and_attributes_are_kept(error: BaseException) -> None:
    error.extra = [1, "two"]  # type: ignore[attr-defined]
    made = unpack(pack(error))
    assert made is not None and made is not error
    assert (type(made), made.args, str(made)) == (type(error), error.args, str(error))
    assert vars(made) == vars(error)
    for name in ("errno", "filename", "name", "value", "code", "lineno", "reason"):
        assert getattr(made, name, None) == getattr(error, name, None)


def test_the_chain_is_kept() -> None:
    cause = raised(Other(1, why="inner"), cause=raised(Plain("innermost")))
    error = raised(Prefixing("outer"), cause)
    made: Any = unpack(pack(error))
    assert type(made.__cause__) is Other and made.__cause__.code == 1
    assert type(made.__cause__.__cause__) is Plain
    assert type(made.__context__) is KeyError and made.__suppress_context__
    without_cause: Any = unpack(pack(raised(Plain(), None)))
    assert without_cause.__cause__ is None and without_cause.__suppress_context__


def test_a_chain_in_a_ring_is_kept() -> None:
    one, other = Plain("one"), Plain("other")
    one.__context__, other.__context__ = other, one
    made: Any = unpack(pack(one))
    assert made.__context__.args == ("other",) and made.__context__.__context__ is made


def test_a_long_chain_is_cut() -> None:
    error = Plain(0)
    for number in range(1, 200):
        following = Plain(number)
        following.__context__ = error
        error = following
    made: BaseException | None = unpack(pack(error))
    count = 0
    while made is not None:
        count, made = count + 1, made.__context__
    assert count == 50


@pytest.mark.parametrize("kind", [AsText, AsAnother, RaisesAgain, Exits])
def test_an_exception_that_unpickles_to_something_else_is_left_out(
    kind: type[Exception],
) -> None:
    assert pack(kind("boom")) == b""
    made: Any = unpack(pack(raised(Plain("kept"), cause=kind("boom"))))
    assert made.args == ("kept",) and made.__cause__ is None


def test_an_exception_that_waits_for_ever_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()

    class Waits(Exception):
        def __reduce__(self) -> Any:
            ends.wait()
            return Waits, ()

    monkeypatch.setattr(exception_chain, "_PATIENCE_S", 0.05)
    assert pack(Waits()) == b""
    ends.set()


def test_an_exception_of_a_local_class_is_that_class_again() -> None:
    class Local(Exception):
        def __init__(self, code: int, why: str) -> None:
            super().__init__(why)
            self.code = code

    made: Any = unpack(pack(raised(Local(3, "why"), cause=Local(4, "inner"))))
    assert type(made) is Local and (made.code, made.args) == (3, ("why",))
    assert type(made.__cause__) is Local


def test_notes_are_kept() -> None:
    error: Any = Other(1, why="x")
    error.__notes__ = ["first", "second"]  # as add_note() of Python 3.11 does
    made: Any = unpack(pack(error))
    assert made.__notes__ == ["first", "second"]


@needs_groups
def test_a_group_keeps_its_members_and_their_chains() -> None:
    group_class: Any = builtins.ExceptionGroup  # type: ignore[attr-defined,unused-ignore]
    member = raised(Other(1, why="x"), cause=Plain("cause"))
    error = group_class("several", [member, group_class("nested", [ValueError(2)])])
    error.__notes__ = ["a note"]
    made: Any = unpack(pack(error))
    assert type(made) is group_class and made.message == "several"
    assert made.exceptions[0].code == 1 and type(made.exceptions[0].__cause__) is Plain
    assert made.exceptions[1].exceptions[0].args == (2,) and made.__notes__ == ["a note"]
    assert pack(group_class("one cannot travel", [AsText("x")])) == b""


# --- in runs -------------------------------------------------------------------------------------


@ON_EVERY_RUNNER
def test_runners_agree_on_exceptions(new_flow: Runner) -> None:
    class Local(Exception):
        pass

    cases: list[tuple[Callable[[], BaseException], Callable[[], Any], type | None, type | None]] = [
        (lambda: Other(3, why="x"), lambda: Plain("inner"), Other, Plain),
        (lambda: Local("x"), lambda: Local("inner"), Local, Local),
        (lambda: Plain("x"), lambda: AsText("y"), Plain, None),
        (lambda: AsText("boom"), lambda: None, None, None),
        (lambda: AsAnother("boom"), lambda: None, None, None),
        (lambda: RaisesAgain("boom"), lambda: None, None, None),
    ]
    flow = new_flow()
    for make, make_cause, kind, inner in cases:

        def fail(row: Any, make: Any = make, make_cause: Any = make_cause) -> NoReturn:
            raise make() from make_cause()

        error = make()
        with pytest.raises(TaskFailed, match=f": {type(error).__name__}: {error}") as failure:
            flow.slice([7]).map(fail).run()
        found = failure.value.__cause__
        assert (None if found is None else type(found)) is kind, (error, found)
        if found is not None and not new_flow.is_inline:
            assert type(found.__cause__) is (inner or type(None)), (error, found.__cause__)


def test_the_frames_of_a_task_do_not_travel() -> None:
    made: Any = unpack(pack(raised(Plain())))
    assert made.__traceback__ is None
