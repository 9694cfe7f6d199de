"""The memory and work of a receiver are bounded for messages of any contents."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from glowpy.agent.core import AgentCore
from glowpy.agent.executors import Limits
from glowpy.errors import ProtocolError
from glowpy.master.master import Master
from glowpy.master.shares import Claim, shares
from glowpy.program.manifest import MAX_DEPTH, MAX_JSON_VALUES, path_fault
from glowpy.program.program import program_from_json
from glowpy.secret import Secret
from glowpy.timing import Timing
from glowpy.wire.coding import MOST_PARTS, Coder
from glowpy.wire.frame_bounds import ALL_FRAMES, CONTROL_BYTES, OF_MASTER
from glowpy.wire.messages import MESSAGES, AskExecutors, Grants, Heartbeat
from glowpy.wire.run_messages import Beat, Describe, ExecutorReady
from glowpy.wire.security import Policy
from glowpy.wire.transfers import Fetch
from glowpy.wire.transport import Poller, Transport
from tests.echoing import BOUND_S, LOOPBACK, TIMING

MIB = 1 << 20
CODER = Coder(MESSAGES)
VALUES = {
    "maps": b"\x80",
    "arrays": b"\x91\x00",
    "texts": b"\xa2ab",
    "bytes": b"\xc4\x02ab",
    "numbers": b"\xcd\x10\x10",
    "floats": b"\xcb" + bytes(8),
    "extensions": b"\xd4\x01x",
    "dates": b"\xd6\xff1234",
}


@contextmanager
def traced() -> Iterator[list[int]]:
    """Trace allocations within the block; the list then has the peak in bytes."""
    found: list[int] = []
    tracemalloc.start()
    try:
        yield found
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def flood(name: str, value: bytes, size_bytes: int) -> bytes:
    """A message of this name and size, full of one value."""
    head = b"\x92" + bytes([0xA0 | len(name)]) + name.encode() + b"\xdd"
    count = (size_bytes - len(head) - 4) // len(value)
    return head + count.to_bytes(4, "big") + value * count


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Beat", "Begin", "OpenRun"])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_the_values_of_a_message_take_64_mib_at_most(name: str, value: bytes) -> None:
    data = flood(name, value, ALL_FRAMES.of_message(name))
    with traced() as peak, pytest.raises(ProtocolError):
        CODER.decode(data)
    assert peak[0] < 64 * MIB


def test_a_frame_beyond_the_bound_of_its_kind_is_not_decoded() -> None:
    data = flood("Beat", VALUES["maps"], 31 * MIB)
    with (
        traced() as peak,
        pytest.raises(ProtocolError, match=f"Beat has {len(data)} bytes, but may have 1048576"),
    ):
        CODER.decode(data)
    assert peak[0] < 2 * MIB


def test_a_master_takes_no_payload_and_nothing_beyond_1_mib() -> None:
    coder = Coder(MESSAGES, OF_MASTER)
    assert OF_MASTER.most_bytes == CONTROL_BYTES == MIB
    describe = coder.encode(Describe(run="r", owner="", host="", secret=Secret()))
    with pytest.raises(ProtocolError, match="Describe has a payload of 1 bytes, but may have none"):
        coder.unframe([describe, b"x"])
    with pytest.raises(ProtocolError, match="OpenRun has"):
        coder.decode(flood("OpenRun", VALUES["texts"], 2 * MIB))


@pytest.mark.slow
def test_parts_beyond_the_eighth_are_dropped_as_they_are_received() -> None:
    with Transport(Policy(insecure=True), TIMING) as transport:
        server = transport.serve(LOOPBACK)
        poller = Poller()
        poller.register(server, server)
        with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
            peer.setsockopt(zmq.LINGER, 0)
            peer.connect(f"tcp://{server.address}")
            peer.send_multipart([bytes(MIB)] * 100)
            assert poller.poll(BOUND_S)
            with traced() as peak:
                assert server.receive() is None
            assert peak[0] < (MOST_PARTS + 4) * MIB
            peer.send(CODER.encode(Beat("next")))
            while (received := server.receive()) is None:
                assert poller.poll(BOUND_S)
            assert received[1] == Beat("next")


def test_folders_of_a_program_are_64_deep_at_most() -> None:
    assert path_fault("/".join("d" * MAX_DEPTH)) == ""
    assert path_fault("/".join("d" * (MAX_DEPTH + 1))) == f"is more than {MAX_DEPTH} folders deep"


@pytest.mark.parametrize("value", ["[],", "{},", '"",', "0,"])
def test_a_description_of_a_program_has_a_bounded_number_of_values(value: str) -> None:
    text = f'{{"kind":[{value * (MAX_JSON_VALUES + 1)}0]}}'
    with traced() as peak, pytest.raises(ProtocolError, match="more than 1000000 values"):
        program_from_json(text)
    assert peak[0] < MIB


def test_a_manifest_that_nests_deeply_is_refused() -> None:
    deep = json.dumps("x")
    for _ in range(500):
        deep = f"[{deep}]"
    with pytest.raises(ProtocolError):
        program_from_json(f'{{"kind":"pickled","manifest":{deep}}}')
    with pytest.raises(ProtocolError):
        program_from_json("[" * 500_000)


BEAT = Heartbeat(
    agent="a",
    address="127.0.0.1:1",
    data_center="",
    rack="",
    cpu_level=1,
    executor_limit=4,
    memory_mb=4096,
    leases=(),
)


def ask(driver: str) -> AskExecutors:
    return AskExecutors(
        driver=driver,
        executor_count=5,
        held=0,
        memory_mb=64,
        data_center="",
        rack="",
        bid=1.0,
    )


@pytest.mark.slow
def test_the_work_of_an_ask_does_not_grow_with_the_number_of_drivers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = 0

    def counted(claims: Sequence[Claim]) -> list[int]:
        nonlocal looked_at
        looked_at += len(claims)
        return shares(claims)

    monkeypatch.setattr("glowpy.master.drivers.shares", counted)
    master = Master(Timing(), 0.0)
    master.handle(BEAT, 0.0)
    count = 2000
    for number in range(2 * count):
        master.handle(ask(f"d{number % count}"), 1.0, b"p%d" % (number // 16))
    assert looked_at < 100 * 2 * count  # linear, not quadratic
    master.check_invariants()


def test_a_connection_stands_for_16_drivers_at_most() -> None:
    master = Master(Timing(), 0.0)
    master.handle(BEAT, 0.0)

    def share(driver: str, peer: bytes) -> int | None:
        answer = master.handle(ask(driver), 1.0, peer)
        assert isinstance(answer, Grants)
        return answer.share

    shares = [share(f"d{number}", b"one") for number in range(100)]
    assert [each is not None for each in shares] == [True] * 16 + [False] * 84
    assert share("other", b"another") is not None
    master.check_invariants()


@pytest.mark.parametrize(
    "message",
    [
        Beat("r" * 400),
        ExecutorReady(run="r" * 400, executor="e" * 400, refusal=""),
        Fetch(
            fetch=1,
            run="r" * 400,
            attempt=1,
            shard=0,
            first_block=0,
            credit_bytes=1,
            reader_host="",
            secret=Secret(),
        ),
    ],
    ids=["driver", "executor", "reader"],
)
def test_an_agent_repeats_100_characters_of_a_name_at_most(message: object, tmp_path: Path) -> None:
    core = AgentCore(
        owner="o:1",
        host="h",
        directory=str(tmp_path),
        limits=Limits(1, 100),
        timing=Timing(),
        make_nonce=lambda: b"n" * 16,
        make_secret=lambda _executor: Secret.make(),
    )
    actions: list[Any]
    if isinstance(message, Fetch):
        place = {"first_block": 0, "credit_bytes": 1, "is_local": False, "secret": b""}
        actions = core.index.fetch(b"p", 1, message.run, 1, 0, **place)  # type: ignore[arg-type]
    elif isinstance(message, ExecutorReady):
        actions = core.from_executor(b"p", message, b"")
    else:
        actions = core.from_driver(b"p", message, b"", 0.0)
    answers = [getattr(action, "message", action) for action in actions]
    texts = [value for value in answers[0] if isinstance(value, str)]
    assert len(answers) == 1 and texts
    assert max(text.count("r") for text in texts) < 120
