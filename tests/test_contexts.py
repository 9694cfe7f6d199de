"""Context variables of the script in a flow's functions, on each thread that may call them."""

from __future__ import annotations

import contextvars
from pathlib import Path

import pytest

from glowpy import Channel, Flow
from glowpy.task.turn_thread import TurnThread
from tests.processes import IN_EVERY_MODE, flags_of, run

SCRIPT = """
import contextvars, decimal
import numpy
import glowpy
from glowpy import Channel, Flow

decimal.getcontext().prec = 50
numpy.seterr(divide="raise")
name = contextvars.ContextVar("name", default="unset")
name.set("of the script")


def read(row):
    third = decimal.Decimal(1) / decimal.Decimal(row)
    try:
        numpy.float64(1) / numpy.float64(0)
        error = "none"
    except FloatingPointError:
        error = "raised"
    return len(str(third)), error, name.get()


def of_shard(rows):
    return [(total, *rest) for total, *rest in map(read, rows)]


source, out, plain_out = Channel(), Channel(), Channel()
plain = Flow()
plain.slice([3, 3], 2).map(read).add_output(plain_out)
flow = Flow()
flow.channel(source, shards=2).map_partitions(of_shard).filter(lambda row: True).add_output(out)
glowpy.ready()
run = flow.start()
with source:
    source.send(3)
    source.send(3)
print("channel", *sorted(set(out)))
run.wait()
run = plain.start()
print("started", *set(plain_out))
run.wait()
name.set("changed later")
print("run", *set(Flow().slice([3]).map(read).collect()) if not glowpy.is_task() else "")
"""


@IN_EVERY_MODE
def test_functions_see_the_context_variables_of_the_script(
    mode: str, cluster: str, tmp_path: Path
) -> None:
    script = SCRIPT if mode in ("plain", "inline") else SCRIPT.rpartition("name.set")[0]
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    ended = run(tmp_path, "script.py", *flags_of(mode, cluster))
    expected = [f"{way} (52, 'raised', 'of the script')" for way in ("channel", "started")]
    if script is SCRIPT:
        expected.append("run (52, 'raised', 'changed later')")
    assert ended.stdout.splitlines() == expected, ended.stderr


def test_a_change_of_context_in_a_streaming_function_stays_with_it() -> None:
    name: contextvars.ContextVar[int] = contextvars.ContextVar("name", default=0)
    seen: list[int] = []

    def work() -> None:
        seen.append(name.get())
        name.set(2)

    name.set(1)
    thread = TurnThread(work)
    name.set(3)
    thread.resume()
    assert (seen, name.get(), thread.is_ended) == ([1], 3, True)


def test_a_started_run_has_the_context_of_its_start() -> None:
    name = contextvars.ContextVar("name", default="unset")
    out = Channel()
    flow = Flow(["-glow.inline"])
    flow.slice([1]).map(lambda row: name.get()).add_output(out)
    name.set("at the start")
    run = flow.start()
    name.set("later")
    assert list(out) == ["at the start"]
    run.wait()


def test_an_error_in_a_streaming_function_is_raised_where_it_is_resumed() -> None:
    def work() -> None:
        raise StopIteration("its own")

    with pytest.raises(StopIteration, match="its own"):
        TurnThread(work).resume()
