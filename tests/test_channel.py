"""Channel: a closable, bounded queue for threads on one side and a run on the other."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import pytest

from glowpy import Channel
from glowpy.errors import (
    ChannelClosed,
    ChannelError,
    ChannelTimeout,
    GlowError,
    RunCancelled,
    TaskFailed,
)

_BOUND_S = 30.0


def in_thread(function: Callable[[], Any]) -> Callable[[], Any]:
    """Call a function on another thread; returns a call for its value or error."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append((True, function()))
        except BaseException as exc:  # noqa: BLE001
            found.append((False, exc))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(_BOUND_S)
        assert found, "the other thread still waits"
        is_value, value = found[0]
        if is_value:
            return value
        raise value

    return result


def waiting(channel: Channel) -> None:
    """Return once some thread waits for the channel."""
    deadline = monotonic() + _BOUND_S
    while not channel._changed._waiters:  # type: ignore[attr-defined]
        assert monotonic() < deadline, "nobody waits"
        threading.Event().wait(0.001)


def test_rows_come_out_in_the_order_in_which_they_went_in() -> None:
    channel = Channel()
    for row in (1, None, "x"):
        channel.send(row)
    assert not channel.is_closed
    channel.close()
    assert channel.is_closed
    assert list(channel) == [1, None, "x"]
    assert list(channel) == []


def test_leaving_the_block_closes_it() -> None:
    with Channel() as channel:
        channel.send(1)
    assert list(channel) == [1]


def test_a_block_that_raises_does_not_pass_for_the_end() -> None:
    channel = Channel()
    with pytest.raises(KeyError), channel:
        channel.send(1)
        raise KeyError("row 2")
    assert channel.receive() == 1, "what was sent is there"
    with pytest.raises(RunCancelled, match="raised KeyError: 'row 2'"):
        channel.receive()
    assert isinstance(channel.error, RunCancelled)


def test_sending_to_a_closed_channel_is_an_error() -> None:
    channel = Channel()
    channel.close()
    channel.close()
    with pytest.raises(ChannelClosed, match="sent to a channel that is closed"):
        channel.send(1)
    with pytest.raises(ChannelClosed, match="every row of this closed channel"):
        channel.receive()


def test_a_full_channel_makes_the_sender_wait() -> None:
    channel = Channel(capacity=2)
    channel.send(1)
    channel.send(2)
    with pytest.raises(ChannelTimeout, match=r"^the channel has been full for 0(\.\d+)? s$"):
        channel.send(3, timeout_s=0.0)
    sent = in_thread(lambda: channel.send(3))
    waiting(channel)
    assert channel.receive() == 1
    sent()
    assert [channel.receive(), channel.receive()] == [2, 3]


def test_an_empty_channel_makes_the_receiver_wait() -> None:
    channel = Channel()
    with pytest.raises(ChannelTimeout, match=r"^the channel has had no row for 0(\.\d+)? s$"):
        channel.receive(timeout_s=0.0)
    received = in_thread(channel.receive)
    waiting(channel)
    channel.send("row")
    assert received() == "row"


def test_blocked_threads_learn_of_the_end() -> None:
    channel = Channel(capacity=1)
    received = in_thread(lambda: list(channel))
    waiting(channel)
    channel.close()
    assert received() == []
    full = Channel(capacity=1)
    full.send(1)
    sent = in_thread(lambda: full.send(2))
    waiting(full)
    full.fail(TaskFailed("boom"))
    with pytest.raises(TaskFailed, match="boom"):
        sent()


def test_rows_that_came_before_a_failure_can_be_received() -> None:
    channel = Channel()
    channel.attach("an output", 10, lambda: None)
    assert channel.offer(iter([1, 2]))
    channel.fail(TaskFailed("boom"))
    assert [channel.receive(), channel.receive()] == [1, 2]
    for _ in range(2):
        with pytest.raises(TaskFailed, match="boom"):
            next(channel)
    channel.detach()
    with pytest.raises(TaskFailed):
        next(channel)


def test_many_threads_lose_and_repeat_nothing() -> None:
    channel = Channel(capacity=3)

    def send_from(number: int) -> None:
        for i in range(200):
            channel.send((number, i))

    senders = [in_thread(partial(send_from, number)) for number in range(4)]
    receivers = [in_thread(lambda: list(channel)) for _ in range(3)]
    for sender in senders:
        sender()
    channel.close()
    rows = [receiver() for receiver in receivers]
    assert sorted(row for some in rows for row in some) == [
        (n, i) for n in range(4) for i in range(200)
    ]
    for some in rows:
        for n in range(4):
            mine = [i for number, i in some if number == n]
            assert mine == sorted(mine)


def test_a_channel_belongs_to_one_side_of_one_run() -> None:
    channel = Channel()
    channel.attach("the input of Input0 (a.py:3)", 5, lambda: None)
    with pytest.raises(ChannelError, match=r"used once, and this one was the input of Input0"):
        channel.attach("an output of Map1", 5, lambda: None)


def test_the_run_is_notified_of_every_change() -> None:
    told: list[str] = []
    channel = Channel()
    channel.send(0)
    channel.attach("an input", 5, lambda: told.append("!"))
    assert (channel.take(), channel.take()) == ([0], [])
    assert told == []
    channel.send(1)
    channel.send(2)
    assert told == ["!"], "it takes both"
    assert channel.take() == [1, 2]
    channel.send(3)
    assert told == ["!", "!"]
    assert channel.take() == [3]
    assert not channel.is_drained
    channel.close()
    assert channel.is_drained
    assert told == ["!", "!", "!"]
    channel.detach()
    channel.close()
    assert told == ["!", "!", "!"]


def test_the_run_is_notified_when_there_is_room() -> None:
    told: list[str] = []
    channel = Channel()
    channel.attach("an output", 4, lambda: told.append("!"))
    assert not channel.offer(iter(range(9)))
    assert (next(channel), told) == (0, [])
    assert (next(channel), told) == (1, ["!"]), "half of it is free"
    assert [next(channel), next(channel)] == [2, 3]
    one = Channel(capacity=1)
    one.attach("an output", 4, lambda: told.append("!!"))
    assert not one.offer(iter(range(2)))
    assert (next(one), told) == (0, ["!", "!!"])


def test_taking_rows_lets_a_sender_go_on() -> None:
    channel = Channel(capacity=1)
    channel.send(1)
    sent = in_thread(lambda: channel.send(2))
    waiting(channel)
    assert channel.take() == [1]
    sent()
    assert channel.take() == [2]


def test_an_offer_takes_no_more_than_there_is_room_for() -> None:
    channel = Channel(capacity=2)
    rows = iter(range(5))
    assert not channel.offer(rows)
    assert [next(channel), next(channel)] == [0, 1]
    assert not channel.offer(rows)
    assert next(channel) == 2
    assert not channel.offer(rows), "it is full again"
    assert [next(channel), next(channel)] == [3, 4]
    assert channel.offer(rows)


def test_a_reader_that_has_enough_closes_it_and_the_rest_is_dropped() -> None:
    channel = Channel(capacity=2)
    channel.attach("an output", 2, lambda: None)
    rows = iter(range(5000))
    assert not channel.offer(rows)
    channel.close()
    while not channel.offer(rows):
        pass
    assert list(channel) == [0, 1]
    assert list(rows) == []


def test_the_capacity_is_its_own_or_the_runs() -> None:
    channel = Channel()
    channel.attach("an input", 1, lambda: None)
    channel.send(1)
    with pytest.raises(ChannelTimeout):
        channel.send(2, timeout_s=0.0)
    own = Channel(capacity=2)
    own.attach("an input", 1, lambda: None)
    own.send(1)
    own.send(2)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, "many"])
def test_a_capacity_that_is_none(capacity: Any) -> None:
    with pytest.raises(ChannelError, match="at least 1 row"):
        Channel(capacity)


def test_a_channel_cannot_travel() -> None:
    with pytest.raises(ChannelError, match="stays in the driver program"):
        pickle.dumps(Channel())


def test_the_repr_shows_state_and_row_count() -> None:
    channel = Channel(3)
    channel.send(1)
    assert repr(channel) == "<Channel open, 1 of 3 rows>"
    channel.close()
    assert repr(channel) == "<Channel closed, 1 of 3 rows>"
    failed = Channel()
    failed.fail(GlowError("x"))
    assert repr(failed) == "<Channel failed, 0 of 1024 rows>"
