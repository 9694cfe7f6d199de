"""channel, add_output, start: rows in and out while a flow runs, on every runner.

The tests check promptness without a clock: a row must arrive before the next row is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import add
from typing import Any

import pytest

from glowpy import Channel, Flow
from glowpy.environment import SCALE_VARIABLE
from glowpy.errors import (
    ChannelClosed,
    WaitTimeout,
)
from tests.runners import ON_EVERY_RUNNER, Runner

BOUND_S = 60.0


def received(channel: Channel, count: int) -> list[Any]:
    return [channel.receive(BOUND_S) for _ in range(count)]


def send_all(channel: Channel, rows: Iterable[Any]) -> None:
    with channel:
        for row in rows:
            channel.send(row, BOUND_S)


@pytest.fixture
def in_threads() -> Iterator[Callable[..., threading.Thread]]:
    """Run calls on separate threads, which must end before the test."""
    threads = []

    def begin(function: Callable[..., Any], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        threads.append(thread)
        return thread

    yield begin
    for thread in threads:
        thread.join(BOUND_S)
        assert not thread.is_alive()


@ON_EVERY_RUNNER
def test_each_row_comes_back_before_the_next_is_sent(new_flow: Runner) -> None:
    numbers, squares = Channel(), Channel()
    flow = new_flow()
    flow.channel(numbers).map(lambda x: x * x).filter(lambda x: x >= 0).add_output(squares)
    handle = flow.start()
    number, seen = 2, []
    while number < 1000:
        numbers.send(number)
        number = squares.receive(BOUND_S)
        seen.append(number)
    assert seen == [4, 16, 256, 65536]
    assert handle.is_running
    with pytest.raises(WaitTimeout, match="goes on"):
        handle.wait(timeout_s=0.0)
    numbers.close()
    assert list(squares) == []
    handle.wait()
    assert not handle.is_running
    handle.wait()
    handle.cancel()


@pytest.mark.parametrize(
    ("new_flow", "more"),
    [
        ("inline", ()),
        pytest.param("standalone", (), marks=pytest.mark.slow),
        pytest.param("standalone", ("-glow.workers=1",), marks=pytest.mark.slow),
        pytest.param("cluster", (), marks=pytest.mark.slow),
    ],
    indirect=["new_flow"],
)
def test_streaming_groups_on_any_number_of_executors_answer_at_once(
    new_flow: Runner, more: tuple[str, ...]
) -> None:
    words, counted, lengths = Channel(), Channel(), Channel()
    flow = new_flow(*more)
    pairs = flow.channel(words, shards=3).map(lambda word: (word, len(word)))
    pairs.partition(4).map_partitions(running_totals).add_output(counted)
    pairs.map(lambda _word, length: length).add_output(lengths)
    handle = flow.start()
    for number, word in enumerate(["a", "bb", "a", "a", "bb", "ccc", "a"]):
        words.send(word)
        assert lengths.receive(BOUND_S) == len(word)
        key, times = counted.receive(BOUND_S)
        assert (key, times) == (
            word,
            ["a", "bb", "a", "a", "bb", "ccc", "a"][: number + 1].count(word),
        )
    words.close()
    handle.wait()


def running_totals(rows: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Each word with the number of its occurrences so far."""
    times: dict[str, int] = {}
    for word, _length in rows:
        times[word] = times.get(word, 0) + 1
        yield word, times[word]


@ON_EVERY_RUNNER
def test_steps_that_wait_for_all_rows_get_all_of_them(
    new_flow: Runner, in_threads: Callable[..., threading.Thread]
) -> None:
    rows = [(number % 7, number) for number in range(500)]
    source, in_order, sums, total, joined = (Channel() for _ in range(5))
    flow = new_flow()
    pairs = flow.channel(source, shards=2)
    pairs.sort(key=lambda row: -row[1]).add_output(in_order)
    pairs.reduce_by_key(add).add_output(sums)
    pairs.map(lambda _key, value: value).reduce(add).add_output(total)
    pairs.join(flow.slice([(key, str(key)) for key in range(3)], 2)).add_output(joined)
    in_threads(send_all, source, rows)
    found: dict[str, list[Any]] = {}
    readers = [
        in_threads(lambda name=name, channel=channel: found.update({name: list(channel)}))
        for name, channel in [
            ("order", in_order),
            ("sums", sums),
            ("total", total),
            ("join", joined),
        ]
    ]
    flow.run()
    for reader in readers:
        reader.join(BOUND_S)
    assert found["order"] == sorted(rows, key=lambda row: -row[1])
    assert found["sums"] == [(key, sum(v for k, v in rows if k == key)) for key in range(7)]
    assert found["total"] == [sum(value for _, value in rows)]
    assert sorted(found["join"]) == sorted((k, v, str(k)) for k, v in rows if k < 3)


@ON_EVERY_RUNNER
def test_rows_are_dealt_or_go_to_every_shard(new_flow: Runner) -> None:
    dealt, everywhere, dealt_out, everywhere_out = (Channel() for _ in range(4))
    flow = new_flow()
    flow.channel(dealt, shards=3).map_partitions(numbered).add_output(dealt_out)
    flow.channel(everywhere, shards=3, broadcast=True).map_partitions(numbered).add_output(
        everywhere_out
    )
    handle = flow.start()
    everywhere.send("x")
    assert sorted(received(everywhere_out, 3)) == [(0, "x"), (1, "x"), (2, "x")]
    for number in range(6):
        dealt.send(number)
        assert dealt_out.receive(BOUND_S) == (number % 3, number)
    dealt.close()
    assert list(dealt_out) == []
    everywhere.send("y")
    assert sorted(received(everywhere_out, 3)) == [(0, "y"), (1, "y"), (2, "y")]
    everywhere.close()
    handle.wait()


def numbered(rows: Iterator[Any], shard: int) -> Iterator[tuple[int, Any]]:
    return ((shard, row) for row in rows)


@ON_EVERY_RUNNER
def test_every_output_gets_every_row(new_flow: Runner) -> None:
    source, raw, first, second, after = (Channel() for _ in range(5))
    flow = new_flow()
    rows = flow.channel(source).add_output(raw)
    doubled = rows.map(lambda x: 2 * x).add_output(first).add_output(second)
    doubled.map(lambda x: x + 1).add_output(after)
    handle = flow.start()
    source.send(1)
    assert received(raw, 1) + received(first, 1) + received(second, 1) == [1, 2, 2]
    assert received(after, 1) == [3]
    source.close()
    handle.wait()
    assert [list(each) for each in (raw, first, second, after)] == [[], [], [], []]


@ON_EVERY_RUNNER
def test_outputs_of_datasets_without_a_channel_come_in_shard_order(new_flow: Runner) -> None:
    out, in_order = Channel(), Channel()
    flow = new_flow()
    rows = flow.slice(range(3000), shards=5).add_output(out)
    rows.sort(key=lambda x: -x).add_output(in_order)
    handle = flow.start()
    assert list(out) == list(range(3000))
    assert list(in_order) == list(range(2999, -1, -1))
    handle.wait()


@ON_EVERY_RUNNER
def test_a_channel_beside_rows_that_are_there_already(new_flow: Runner) -> None:
    source, out, joined = Channel(), Channel(), Channel()
    flow = new_flow()
    static = flow.slice(["s1", "s2"]).map(str.upper)
    rows = flow.channel(source)
    static.union(rows).add_output(out)
    names = flow.slice([(1, "one"), (2, "two")])
    rows.map(lambda row: (len(row), row)).broadcast_join(names).add_output(joined)
    handle = flow.start()
    assert sorted(received(out, 2)) == ["S1", "S2"]
    source.send("a")
    assert out.receive(BOUND_S) == "a"
    source.close()
    assert list(joined) == [(1, "a", "one")]
    handle.wait()


@ON_EVERY_RUNNER
def test_a_closed_channel_is_an_input_for_any_call(new_flow: Runner) -> None:
    def closed(rows: Iterable[int]) -> Channel:
        channel = Channel(capacity=100)
        send_all(channel, rows)
        return channel

    flow = new_flow()
    assert flow.channel(closed(range(50)), shards=2).map(lambda x: x + 1).count() == 50
    assert flow.channel(closed(range(50))).map(lambda x: -x).collect() == [-x for x in range(50)]
    assert flow.channel(closed([])).collect() == []
    assert flow.channel(closed(range(50))).take(3) == [0, 1, 2]
    assert flow.channel(closed(range(50))).partition(3).count() == 50


@ON_EVERY_RUNNER
def test_take_ends_after_enough_rows(new_flow: Runner) -> None:
    source = Channel()
    source.send(1)
    source.send(2)
    source.send(3)
    assert new_flow().channel(source).map(lambda x: -x).take(2) == [-1, -2]
    with pytest.raises(ChannelClosed):
        source.send(4)


@ON_EVERY_RUNNER
def test_many_clients_of_a_server_get_their_answers(
    new_flow: Runner, in_threads: Callable[..., threading.Thread]
) -> None:
    questions, answers = Channel(), Channel()
    flow = new_flow()
    flow.channel(questions, shards=2).map(lambda who, x: (who, x * x)).add_output(answers)
    boxes = [Channel() for _ in range(6)]

    def dispatch() -> None:
        for who, answer in answers:
            boxes[who].send(answer)

    wrong: list[Any] = []

    def client(who: int) -> None:
        for x in range(20):
            questions.send((who, x))
            if boxes[who].receive(BOUND_S) != x * x:
                wrong.append((who, x))
        boxes[who].close()

    handle = flow.start()
    in_threads(dispatch)
    clients = [threading.Thread(target=client, args=(who,)) for who in range(6)]
    for each in clients:
        each.start()
    for each in clients:
        each.join(BOUND_S)
    questions.close()
    handle.wait()
    assert wrong == []


@ON_EVERY_RUNNER
def test_a_reader_that_is_slow_loses_nothing(new_flow: Runner) -> None:
    source, out = Channel(capacity=10), Channel(capacity=3)
    flow = new_flow()
    flow.channel(source, shards=2).flat_map(lambda x: [x] * 10).add_output(out)
    handle = flow.start()
    for number in range(200):
        source.send(number, BOUND_S)
    source.close()
    assert len(out._rows) <= 3
    assert sorted(out) == sorted(list(range(200)) * 10)
    handle.wait()


@ON_EVERY_RUNNER
def test_a_reader_that_has_enough_closes_its_channel(new_flow: Runner) -> None:
    source, out, other = Channel(), Channel(capacity=2), Channel()
    flow = new_flow()
    flow.channel(source).flat_map(lambda x: range(x)).add_output(out).reduce(add).add_output(other)
    handle = flow.start()
    source.send(1000)
    assert received(out, 2) == [0, 1]
    out.close()
    source.close()
    assert list(other) == [sum(range(1000))]
    handle.wait()


@ON_EVERY_RUNNER
def test_output_of_streaming_steps_is_shown(
    new_flow: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = Channel(), Channel()
    flow = new_flow()
    flow.channel(source, shards=2).map(said).add_output(out)
    handle = flow.start()
    for number in range(4):
        source.send(number)
        out.receive(BOUND_S)
    source.close()
    handle.wait()
    lines = sorted(line.rpartition("> ")[2] for line in capsys.readouterr().out.splitlines())
    assert lines == [f"row {number}" for number in range(4)]


def said(row: int) -> int:
    print("row", row)
    return row


@ON_EVERY_RUNNER
def test_the_flag_says_how_many_rows_a_channel_holds(new_flow: Runner) -> None:
    source, out = Channel(), Channel()
    flow = new_flow("-glow.channel.bufferSize=3")
    flow.channel(source).flat_map(range).add_output(out)
    handle = flow.start()
    source.send(50)
    assert out.receive(BOUND_S) == 0
    assert repr(out).endswith(" of 3 rows>") and repr(source).endswith(" of 3 rows>")
    source.close()
    assert list(out) == list(range(1, 50))
    handle.wait()


@ON_EVERY_RUNNER
def test_several_flows_at_once(new_flow: Runner) -> None:
    started = []
    for number in range(3):
        source, out = Channel(), Channel()
        flow = new_flow()
        flow.channel(source).map(partial(add, number)).add_output(out)
        started.append((source, out, flow.start()))
    for number, (source, out, _handle) in enumerate(started):
        source.send(10)
        assert out.receive(BOUND_S) == 10 + number
    for source, out, handle in reversed(started):
        source.close()
        assert list(out) == []
        handle.wait()


def test_no_wait_of_an_inline_run_ends_only_because_its_beat_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SCALE_VARIABLE, "1000")  # a heartbeat interval longer than this test
    source, in_order, few = Channel(), Channel(), Channel(capacity=2)
    flow = Flow(["-glow.inline"])
    rows = flow.channel(source)
    rows.sort().add_output(in_order)  # a group that waits for all rows
    rows.flat_map(range).add_output(few)  # a channel with a slow reader
    handle = flow.start()
    for number in (30, 20, 10):
        source.send(number, BOUND_S)
    source.close()
    assert len(received(few, 60)) == 60
    assert received(in_order, 3) == [10, 20, 30]
    handle.wait(BOUND_S)
