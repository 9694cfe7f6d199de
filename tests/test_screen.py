"""Output during drawing on a terminal stays in complete lines, from any thread."""

from __future__ import annotations

import io
import threading

import pytest

from glowpy.driver.view.screen import Screen, _Above


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def above(out: io.StringIO) -> _Above:
    return _Above(Screen(out), out)


def on_a_thread(above: _Above, *texts: str) -> None:
    def write() -> None:
        for text in texts:
            above.write(text)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


def test_a_line_is_not_torn_by_another_thread(out: io.StringIO, above: _Above) -> None:
    assert above.write("one ") == 4
    on_a_thread(above, "other", "\n", "begun")
    above.write("line\nand another")
    assert out.getvalue() == "other\none line\n"
    above.flush()
    assert out.getvalue() == "other\none line\nand another"
    above.writelines([" line\n", "more\n", "rest"])
    above.finish()
    text = out.getvalue()
    assert text.startswith("other\none line\nand another line\nmore\n")
    assert sorted(text.rpartition("\n")[2].replace("rest", " rest ").split()) == ["begun", "rest"]


def test_other_attributes_are_those_of_the_stream(out: io.StringIO, above: _Above) -> None:
    assert above.isatty() is False and above.encoding == out.encoding
    with pytest.raises(TypeError):
        above.write(b"bytes")  # type: ignore[arg-type]


def test_nothing_is_drawn_on_what_is_no_terminal(out: io.StringIO) -> None:
    screen = Screen(out)
    assert screen.size() is None
    screen.draw(["a line"])
    screen.erase()
    assert out.getvalue() == "" and screen.is_covered
