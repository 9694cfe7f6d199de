"""The table of all flags: their names, defaults, meanings and bounds.

Go: driver/context_driver.go, driver/task_option.go
"""

from __future__ import annotations

import os
from typing import Literal

from glowpy.record import NamedTuple

MASTER_PORT = 8930
Value = bool | int | float | str
Place = Literal["anywhere", "cluster", "master", "standalone", "task"]


class Options(NamedTuple):
    """The value of every flag, or its default. Defaults are written down here only."""

    glow: bool = False
    leader: str = f"localhost:{MASTER_PORT}"
    leader_given: bool = (
        False  # not a flag: a leader named by the user is never replaced by our own
    )
    data_center: str = ""
    rack: str = ""
    task_memory_mb: int = 64
    flow_bid: float = 100.0
    flow_plot: bool = False
    flow_stat: str = ""
    flow_explain: bool = False
    module: str = ""
    related_files: str = ""
    driver_host: str = ""
    driver_port: int = 0
    cert_file: str = ""
    key_file: str = ""
    insecure: bool = False
    ca_file: str = ""
    inline: bool = False
    quiet: bool = False
    speculate: bool = False
    hash_seed: int = 0
    rerun_effects: str = "refuse"
    env: str = ""
    workers: int = 0
    start: str = ""
    log_level: str = ""
    seed: int = -1  # not given

    # A task's own. An id of -1 was not given, as in Glow.
    flow_id: int = -1
    group_ids: str = ""
    run_number: int = 1
    task_name: str = ""
    group_inputs: str = ""
    exe_hash: str = ""
    channel_buffer_size: int = 1024
    executor_id: str = ""
    agent_address: str = ""


_DEFAULTS = Options()


class Flag(NamedTuple):
    """One row of the table of flags. Its type is that of its default in `Options`."""

    name: str  # without the dash
    field: str  # in Options
    meaning: str
    place: Place = "anywhere"  # where it acts
    inert: str = ""  # what to tell who gives it, while it does not act
    may_be_empty: bool = False
    choices: tuple[str, ...] = ()  # the words that it may be
    alone: str = ""  # one of them: what is meant by the flag without a value, or by true
    least: int = 0  # for numbers
    most: int = 2**31 - 1  # so that no number is too large for those who pass it on

    @property
    def default(self) -> Value:
        value: Value = getattr(_DEFAULTS, self.field)
        return value


_CURVE = (
    "does not act: not TLS but CURVE encrypts, with one -key.file (`glowpy keys FILE` makes it)"
)
_RELATED = f"files and folders that go along to the agents, {os.pathsep} between them"

FLAGS = (
    Flag("glow", "glow", "run as driver of a cluster"),
    Flag("glow.leader", "leader", "address of the master, host:port", "master"),
    Flag("glow.dataCenter", "data_center", "preferred data center", "cluster", "", True),
    Flag("glow.rack", "rack", "preferred rack", "cluster", "", True),
    Flag("glow.task.memoryMB", "task_memory_mb", "memory that one task asks for, in MB", least=1),
    Flag("glow.flow.bid", "flow_bid", "the flow's part among drivers that compete", "cluster"),
    Flag("glow.flow.plot", "flow_plot", "print the plan in graphviz dot, run nothing"),
    Flag(
        "glow.flow.stat",
        "flow_stat",
        "show what each step group has cost, at the end; json: for programs",
        choices=("table", "json"),
        alone="table",
    ),
    Flag("glow.flow.explain", "flow_explain", "print the plan in words, run nothing"),
    Flag("glow.module", "module", "name that groups related jobs on agents", "cluster", "", True),
    Flag("glow.related.files", "related_files", _RELATED, "cluster", "", True),
    Flag("glow.driver.host", "driver_host", "where agents reach the driver", "cluster", "", True),
    Flag("glow.driver.port", "driver_port", "the same, 0 for any free port", "cluster", most=65535),
    Flag("cert.file", "cert_file", "certificate of Glow's TLS", "cluster", _CURVE),
    Flag("key.file", "key_file", "key of the cluster; your own key on loopback", "master"),
    Flag("glow.insecure", "insecure", "connect without key and encryption", "master"),
    Flag("ca.file", "ca_file", "authority of Glow's TLS", "cluster", _CURVE),
    Flag("glow.inline", "inline", "run in this one process, for debuggers"),
    Flag(
        "glow.speculate", "speculate", "second attempts of tasks that are much slower than others"
    ),
    Flag(
        "glow.hash.seed",
        "hash_seed",
        "another distribution of keys over shards, for keys that crowd into few",
    ),
    Flag(
        "glow.rerun.effects",
        "rerun_effects",
        "what a script that tasks run again may do above its run: refuse ends the run where it "
        "destroys files and notes other effects; allow permits all",
        "cluster",
        choices=("refuse", "allow"),
    ),
    Flag(
        "glow.env",
        "env",
        "environment variables for tasks on a cluster: A,B=value sends the driver's A, and B",
        "cluster",
        may_be_empty=True,
    ),
    Flag("glow.quiet", "quiet", "no notes on stderr, and no view of a run that lasts"),
    Flag("glow.workers", "workers", "number of executors, 0 for all cores", "standalone"),
    Flag(
        "glow.start",
        "start",
        "how executors start; fresh is the default where a library's threads forbid a fork",
        "standalone",
        choices=("forked", "fresh"),
    ),
    Flag(
        "glow.log.level",
        "log_level",
        "log what the driver hears and does, on stderr",
        choices=("debug", "info", "warning", "error"),
    ),
    Flag(
        "glow.seed",
        "seed",
        "seed of random numbers in tasks; default: from the driver's generators",
    ),
    Flag("glow.flow.id", "flow_id", "number of the flow in the script", "task"),
    Flag("glow.taskGroup.id", "group_ids", "@: told by the agent, one after another", "task"),
    Flag("glow.run.id", "run_number", "number of the run in the script", "task", least=1),
    Flag("glow.task.name", "task_name", "name of the group's first task", "task", "", True),
    Flag("glow.taskGroup.inputs", "group_inputs", "@: asked of the agent", "task", "", True),
    Flag("glow.exe.hash", "exe_hash", "SHA-256 of the program", "task", "", True),
    Flag("glow.channel.bufferSize", "channel_buffer_size", "rows that a Channel holds", least=1),
    Flag("glow.request.id", "executor_id", "id of the executor", "task"),
    Flag("glow.agent.address", "agent_address", "address of the executor's agent", "task"),
)

_MODULE_CHARACTERS = 64


def is_module_name(text: str) -> bool:
    """Can a module be called so? Agents make a folder of that name.

    >>> is_module_name("nightly-2.1"), is_module_name("../x"), is_module_name("")
    (True, False, False)
    """
    known = text.isascii() and text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    return known and text[0].isalnum() and len(text) <= _MODULE_CHARACTERS
