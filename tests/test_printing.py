"""Printed lines of tasks arrive at the driver complete and without loss, from any thread."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.errors import TaskFailed
from glowpy.task import printing
from glowpy.task.printing import LineForwarder, forwarded
from glowpy.wire.run_messages import OutputStream
from tests.forked import in_fork
from tests.runners import ON_EVERY_RUNNER, Runner


class Sent:
    """The sent texts, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[OutputStream, str]] = []

    def __call__(self, stream: OutputStream, text: str) -> None:
        text.encode("utf-8", "surrogateescape")  # as the wire does
        self.messages.append((stream, text))

    @property
    def texts(self) -> list[str]:
        return [text for _stream, text in self.messages]


@pytest.fixture
def sent() -> Sent:
    return Sent()


def on_a_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


# --- lines ---------------------------------------------------------------------------------------


def test_lines_leave_at_once_and_beginnings_wait(sent: Sent) -> None:
    with forwarded(sent):
        print("one")
        assert sent.texts == ["one\n"]
        print("two", end="")
        sys.stdout.flush()
        assert sent.texts == ["one\n"]
        print(" and a half", "three", sep="\n", end="", flush=True)
        assert sent.texts == ["one\n", "two and a half\n"]
    assert sent.texts == ["one\n", "two and a half\n", "three\n"]


def test_both_streams_are_kept_separate_and_restored(sent: Sent) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(KeyError), forwarded(sent):
        print("out", end="")
        print("err", file=sys.stderr)
        raise KeyError
    assert (sys.stdout, sys.stderr) == before
    assert sent.messages == [(OutputStream.STDERR, "err\n"), (OutputStream.STDOUT, "out\n")]


def test_nothing_printed_is_nothing_sent(sent: Sent) -> None:
    with forwarded(sent):
        print(end="")
        sys.stdout.write("")
        sys.stdout.writelines([])
    assert sent.messages == []


@given(st.lists(st.text("ab\n\r\u2028ä", max_size=6), max_size=12))
def test_every_character_arrives_in_whole_lines(texts: list[str]) -> None:
    sent = Sent()
    out = LineForwarder(OutputStream.STDOUT, sent)
    for text in texts:
        assert out.write(text) == len(text)
        assert all(each.endswith("\n") for each in sent.texts)
    out.finish()
    whole = "".join(texts)
    assert "".join(sent.texts) == (whole if not whole or whole.endswith("\n") else whole + "\n")


def test_long_text_leaves_in_messages_that_are_not_too_long(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printing, "_MOST_CHARACTERS", 10)
    with forwarded(sent):
        sys.stdout.write("1234\n1234\n1234\n12345678901234567890123\nend\n")
    whole, cut = ["1234\n1234\n", "1234\n"], ["1234567890", "1234567890", "123\nend\n"]
    assert sent.texts == [*whole, *cut]


# --- threads -------------------------------------------------------------------------------------


def test_lines_of_other_threads_leave_with_the_main_threads_next_line(sent: Sent) -> None:
    with forwarded(sent):
        on_a_thread(lambda: print("from a thread"))
        assert sent.texts == []
        print("from the main thread")
        assert sent.texts == ["from a thread\nfrom the main thread\n"]
        on_a_thread(lambda: print("in the end"))
    assert sent.texts[1:] == ["in the end\n"]


def test_many_threads_lose_nothing(sent: Sent) -> None:
    begun = threading.Barrier(5)

    def speak(name: int) -> None:
        begun.wait(30)
        for number in range(500):
            sys.stdout.write(f"{name}:{number}\n")

    with forwarded(sent):
        threads = [threading.Thread(target=speak, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        speak(4)
        for thread in threads:
            thread.join()
    lines = "".join(sent.texts).splitlines()
    for name in range(5):
        mine = [line for line in lines if line.startswith(f"{name}:")]
        assert mine == [f"{name}:{number}" for number in range(500)]
    assert len(lines) == 2500


def test_a_print_in_the_midst_of_a_print(sent: Sent) -> None:
    """A finalizer or a signal handler may print while the main thread is sending."""
    texts = ["inner\n"]

    def send(stream: OutputStream, text: str) -> None:
        sent(stream, text)
        while texts:
            out.write(texts.pop())

    out = LineForwarder(OutputStream.STDOUT, send)
    out.write("begun")
    out.write(" outer\n")
    assert sent.texts == ["begun outer\n"]
    out.write("next\n")
    out.finish()
    assert sent.texts == ["begun outer\n", "inner\nnext\n"]


def test_signal_handlers_that_print_neither_hang_nor_lose_a_line() -> None:
    sent = Sent()
    ticks = iter(range(100))  # all handlers may interrupt each other, within the depth of the stack
    is_over: list[bool] = []

    def tick(*_: object) -> None:
        number = next(ticks, None)
        if number is None:
            is_over.append(True)
        else:
            sys.stdout.write(f"tick {number}\n")

    def print_meanwhile() -> str:
        signal.signal(signal.SIGALRM, tick)
        count = 0
        with forwarded(sent):
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            while not is_over:
                sys.stdout.write(f"line {count}\n")
                count += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        lines = "".join(sent.texts).split("\n")
        assert [line for line in lines if "line" in line] == [f"line {n}" for n in range(count)]
        # a handler may interrupt another handler before its output
        assert {line for line in lines if "tick" in line} == {f"tick {n}" for n in range(100)}
        assert len(lines) == count + 100 + 1
        return "ended"

    assert in_fork(print_meanwhile) == "ended"


# --- as a file -----------------------------------------------------------------------------------


def test_the_stream_is_a_text_file_without_terminal_or_descriptor(sent: Sent) -> None:
    with forwarded(sent):
        out = sys.stdout
        assert isinstance(out, io.TextIOBase)
        assert out.writable() and not out.readable() and not out.seekable() and not out.isatty()
        assert out.encoding == "utf-8"
        with pytest.raises(io.UnsupportedOperation):
            out.fileno()
        with pytest.raises(io.UnsupportedOperation):
            out.read()
        with pytest.raises(TypeError, match="must be str, not bytes"):
            out.write(b"x")  # type: ignore[arg-type]
        out.writelines(["a\n", "b"])
    assert sent.texts == ["a\n", "b\n"]


def test_bytes_written_to_its_buffer_are_text(sent: Sent) -> None:
    with forwarded(sent):
        print("before ", end="")
        assert sys.stdout.buffer.write("ä\n".encode()) == 3
        sys.stdout.buffer.write(b"\xe2\x82")  # a character in two parts
        sys.stdout.buffer.write(bytearray(b"\xac "))
        sys.stdout.buffer.write(memoryview(b"\xff\n"))
        sys.stdout.buffer.flush()
    assert sent.texts == ["before ä\n", "€ \ufffd\n"]


def test_the_stream_can_be_wrapped_and_outlives_its_wrapper(sent: Sent) -> None:
    with forwarded(sent):
        wrapper = io.TextIOWrapper(sys.stdout.buffer, "utf-8", write_through=True)
        wrapper.write("wrapped\n")
        wrapper.close()
        sys.stdout.buffer.write(b"bytes\n")
        print("text")
    assert sent.texts == ["wrapped\n", "bytes\n", "text\n"]


def test_half_surrogate_pairs_are_written_as_escapes(sent: Sent) -> None:
    with forwarded(sent):
        print("half \ud800", "a byte of a file's name \udcff")
        print("end \udfff", end="")
    assert sent.texts == ["half \\ud800 a byte of a file's name \\udcff\n", "end \\udfff\n"]


# --- on every runner -----------------------------------------------------------------------------


def shown(text: str) -> list[str]:
    """The sorted lines of all tasks; on a cluster, without the address of the agent."""
    return sorted(line.rpartition("> ")[2] for line in text.splitlines())


@ON_EVERY_RUNNER
def test_printed_lines_of_tasks_are_shown_by_the_driver(
    new_flow: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    def speak(row: int) -> None:
        print("line", row)
        print("no end", row, end="")
        print("error", row, file=sys.stderr)
        on_a_thread(lambda: print(f"\nthread {row}"))

    new_flow("-glow.quiet").slice([1, 2], 2).map(speak).run()
    said = capsys.readouterr()
    assert shown(said.out) == sorted(
        f"{what} {row}" for row in (1, 2) for what in ("line", "no end", "thread")
    )
    assert shown(said.err) == ["error 1", "error 2"]


@ON_EVERY_RUNNER
def test_a_task_that_fails_shows_what_it_had_printed(
    new_flow: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    def speak(row: int) -> Any:
        print("last words", end="")
        raise KeyError

    with pytest.raises(TaskFailed):
        new_flow().slice([1]).map(speak).run()
    assert "last words" in capsys.readouterr().out


@ON_EVERY_RUNNER
def test_a_stream_kept_from_an_earlier_task_still_leads_to_the_driver(
    new_flow: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: list[Any] = []

    def speak(row: int) -> int:
        kept.append(sys.stderr)  # like a log handler made in the first task
        print("row", row, file=kept[0])
        return row

    flow = new_flow("-glow.quiet", *(["-glow.workers=1"] if new_flow.name == "standalone" else []))
    flow.slice([1]).map(speak).partition(2).partition(1).map(speak).run()
    assert shown(capsys.readouterr().err) == ["row 1", "row 1"]


@ON_EVERY_RUNNER
def test_text_that_the_drivers_terminal_cannot_show(
    new_flow: Runner, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    if not new_flow.is_inline:  # inline, the user's print writes to the user's terminal
        monkeypatch.setattr(sys, "stdout", ascii_only)
    new_flow().slice([1]).map(lambda row: print("für 東京")).run()
    if not new_flow.is_inline:
        assert rb"f\xfcr \u6771\u4eac" in ascii_only.buffer.getvalue()
