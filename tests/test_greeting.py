"""Greetings: accepted peers, and the texts of refusals."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.errors import ClusterError, NoMaster, VersionMismatch
from glowpy.secret import Secret
from glowpy.version import __version__
from glowpy.wire.address import Address
from glowpy.wire.greeting import PYTHON, check_welcome, refusal, welcome
from glowpy.wire.messages import PROTOCOL_VERSION, Hello, Welcome
from glowpy.wire.run_messages import ExecutorHello

HELLO = Hello(PROTOCOL_VERSION, __version__, PYTHON, "driver", "d7")
EXECUTOR = ExecutorHello(PROTOCOL_VERSION, __version__, PYTHON, "run", "e7", Secret())


def test_the_same_release_is_welcome() -> None:
    assert welcome(HELLO, "agent") == Welcome(PROTOCOL_VERSION, __version__, PYTHON, "agent", "")
    assert refusal(EXECUTOR, "agent") == ""


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"protocol": 0}, f"protocol 0 at the {{}} and {PROTOCOL_VERSION} at the master"),
        ({"glowpy": "9.9"}, f"glowpy 9.9 at the {{}} and {__version__} at the master"),
        ({"python": "2.7"}, f"Python 2.7 at the {{}} and {PYTHON} at the master"),
    ],
)
def test_a_difference_is_named(change: Any, difference: str) -> None:
    end = " and the master cannot work together: " + difference + ". Install the same release"
    of_driver = refusal(HELLO._replace(**change), "master")
    assert of_driver.startswith("driver d7" + end.format("driver"))
    of_executor = refusal(EXECUTOR._replace(**change), "master")
    assert of_executor.startswith("executor e7" + end.format("executor"))


def test_all_differences_are_named() -> None:
    said = refusal(HELLO._replace(glowpy="9.9", python="2.7"), "agent")
    assert "glowpy 9.9" in said
    assert "; Python 2.7" in said


AGENT = Address("node1", 8931)
MASTER = Address("node1", 8930)


def test_the_wanted_peer_is_accepted() -> None:
    check_welcome(welcome(HELLO, "agent", "node1:8930"), "agent", AGENT, "--agent ")
    check_welcome(welcome(HELLO, "master"), "master", MASTER, "--master ")


@pytest.mark.parametrize(
    ("masters_address", "said"),
    [
        ("big:8930", "an agent of the master at big:8930; name its master by --master big:8930"),
        ("localhost:7", "an agent of the master at node1:7; name its master by --master node1:7"),
        # the agent's own address, by mistake
        ("node1:8931", "an agent; name its master by --master HOST:PORT"),
        ("\x1b[2J", "an agent; name its master by --master HOST:PORT"),
    ],
)
def test_an_agent_that_is_taken_for_a_master_names_its_own(masters_address: str, said: str) -> None:
    answer = welcome(HELLO, "agent", masters_address)
    with pytest.raises(NoMaster) as raised:
        check_welcome(answer, "master", AGENT, "--master ")
    assert str(raised.value) == f"at node1:8931 listens no master, but {said}"


def test_a_master_that_is_taken_for_an_agent_can_name_some() -> None:
    with pytest.raises(ClusterError) as raised:
        check_welcome(welcome(HELLO, "master"), "agent", MASTER, "--agent ")
    assert str(raised.value) == (
        "at node1:8930 listens no agent, but a master; name one of its agents by --agent HOST:PORT "
        "(`glowpy status --master node1:8930` lists them)"
    )


def test_another_release_of_the_wanted_peer_is_refused() -> None:
    answer = welcome(HELLO._replace(glowpy="9.9"), "master")
    with pytest.raises(VersionMismatch, match=r"^master at node1:8930: driver d7 and the master"):
        check_welcome(answer, "master", MASTER, "--master ")


def test_a_strangers_words_cannot_fill_or_forge_a_log() -> None:
    words = "x\ny\x1b[2J\udcff" + "z" * 1_000_000
    said = refusal(Hello(1 << 63, words, words, words, words), "master")
    assert len(said) < 1000
    assert said.isprintable()
    assert "x?y?[2J?zz" in said
    assert len(refusal(EXECUTOR._replace(executor=words, glowpy=words), "agent")) < 1000
