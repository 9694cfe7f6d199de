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
    """The value of each flag. The defaults of this class are the defaults of the flags."""

    glow: bool = False
    leader: str = f"localhost:{MASTER_PORT}"
    leader_given: bool = False  # no flag: a driver never replaces a leader named by the user
    data_center: str = ""
    rack: str = ""
    task_memory_mb: int = 64
    flow_bid: float = 100.0
    flow_plot: str = ""
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
    debug: bool = False
    speculate: bool = False
    hash_seed: int = 0
    rerun_effects: str = "refuse"
    env: str = ""
    workers: int = 0
    start: str = ""
    log_level: str = ""
    seed: int = -1  # not given

    # Flags of tasks. -1: the id was not given, as in Glow.
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
    """One row of the table of flags. The default in `Options` gives the type of the flag."""

    name: str  # without the dash
    field: str  # in Options
    meaning: str
    place: Place = "anywhere"  # processes in which the flag has an effect
    inert: str = ""  # reason why the flag has no effect, as the end of a note
    may_be_empty: bool = False
    choices: tuple[str, ...] = ()  # permitted values
    alone: str = ""  # the choice for the flag without a value, or with `true`
    least: int = 0  # smallest permitted number
    most: int = 2**31 - 1  # largest permitted number; messages can carry it

    @property
    def default(self) -> Value:
        value: Value = getattr(_DEFAULTS, self.field)
        return value


_CURVE = "has no effect: glowpy encrypts with CURVE instead of TLS, and -key.file names the key"
_RELATED = f"files and folders to copy to the agents, separated by {os.pathsep}"

FLAGS = (
    Flag("glow", "glow", "run on a cluster"),
    Flag("glow.leader", "leader", "address of the master, HOST:PORT", place="master"),
    Flag(
        "glow.dataCenter",
        "data_center",
        "preferred data center of executors",
        place="cluster",
        may_be_empty=True,
    ),
    Flag("glow.rack", "rack", "preferred rack of executors", place="cluster", may_be_empty=True),
    Flag(
        "glow.task.memoryMB",
        "task_memory_mb",
        "memory request of a task and budget of its buffers, in MB",
        least=1,
    ),
    Flag(
        "glow.flow.bid",
        "flow_bid",
        "weight among drivers that compete for executors",
        place="cluster",
    ),
    Flag(
        "glow.flow.plot",
        "flow_plot",
        "print the plan in the DOT language of graphviz and run nothing; groups: all task groups, "
        "as Glow draws them; steps: one node per step, as the run executes it",
        choices=("groups", "steps"),
        alone="groups",
    ),
    Flag(
        "glow.flow.stat",
        "flow_stat",
        "print the cost of each step group at the end of a run; json: as one line of JSON",
        choices=("table", "json"),
        alone="table",
    ),
    Flag("glow.flow.explain", "flow_explain", "print the plan as text and run nothing"),
    Flag(
        "glow.module",
        "module",
        "name for a set of related runs",
        place="cluster",
        may_be_empty=True,
    ),
    Flag("glow.related.files", "related_files", _RELATED, place="cluster", may_be_empty=True),
    Flag(
        "glow.driver.host",
        "driver_host",
        "host name at which agents reach the driver",
        place="cluster",
        may_be_empty=True,
    ),
    Flag(
        "glow.driver.port",
        "driver_port",
        "port at which agents reach the driver; 0: any free port",
        place="cluster",
        most=65535,
    ),
    Flag(
        "cert.file", "cert_file", "certificate for TLS, as in Glow", place="cluster", inert=_CURVE
    ),
    Flag(
        "key.file",
        "key_file",
        "key file of the cluster; default on loopback: the key of your user",
        place="master",
    ),
    Flag(
        "glow.insecure", "insecure", "connect without authentication and encryption", place="master"
    ),
    Flag(
        "ca.file",
        "ca_file",
        "certificate authority for TLS, as in Glow",
        place="cluster",
        inert=_CURVE,
    ),
    Flag("glow.inline", "inline", "run in the process of the script, for debuggers"),
    Flag(
        "glow.speculate",
        "speculate",
        "start speculative attempts of tasks that are much slower than others of their step",
    ),
    Flag(
        "glow.hash.seed",
        "hash_seed",
        "seed of the hash that places keys in shards; another seed spreads keys that crowd",
    ),
    Flag(
        "glow.rerun.effects",
        "rerun_effects",
        "side effects above run() when a task runs the script again: refuse ends the run where "
        "files are destroyed and notes other effects; allow permits all",
        place="cluster",
        choices=("refuse", "allow"),
    ),
    Flag(
        "glow.env",
        "env",
        "environment variables of tasks: A,B=value sends the driver's A and sets B",
        place="cluster",
        may_be_empty=True,
    ),
    Flag("glow.quiet", "quiet", "print no notes and no live view on stderr"),
    Flag("glow.debug", "debug", "show frames of glowpy, and all causes, in tracebacks"),
    Flag("glow.workers", "workers", "number of executors; 0: one per core", place="standalone"),
    Flag(
        "glow.start",
        "start",
        "start method of executors; default: forked, or fresh if threads of a library forbid it",
        place="standalone",
        choices=("forked", "fresh"),
    ),
    Flag(
        "glow.log.level",
        "log_level",
        "log level of the driver, on stderr; default: no log",
        choices=("debug", "info", "warning", "error"),
    ),
    Flag(
        "glow.seed",
        "seed",
        "seed of random numbers in tasks; default: drawn from the generators of the script",
    ),
    Flag("glow.flow.id", "flow_id", "number of the flow in the script", place="task"),
    Flag(
        "glow.taskGroup.id",
        "group_ids",
        "number of the task group; @: assigned by the agent",
        place="task",
    ),
    Flag("glow.run.id", "run_number", "number of the run in the script", place="task", least=1),
    Flag(
        "glow.task.name",
        "task_name",
        "name of the first task of the group",
        place="task",
        may_be_empty=True,
    ),
    Flag(
        "glow.taskGroup.inputs",
        "group_inputs",
        "locations of the input shards; @: sent by the agent",
        place="task",
        may_be_empty=True,
    ),
    Flag("glow.exe.hash", "exe_hash", "SHA-256 of the program", place="task", may_be_empty=True),
    Flag(
        "glow.channel.bufferSize", "channel_buffer_size", "capacity of a Channel, in rows", least=1
    ),
    Flag("glow.request.id", "executor_id", "id of the executor", place="task"),
    Flag(
        "glow.agent.address",
        "agent_address",
        "address of the agent that started the executor",
        place="task",
    ),
)

_MODULE_CHARACTERS = 64


def is_module_name(text: str) -> bool:
    """Return whether `text` is a name for `-glow.module`. Agents make a folder of that name.

    >>> is_module_name("nightly-2.1"), is_module_name("../x"), is_module_name("")
    (True, False, False)
    """
    known = text.isascii() and text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    return known and text[0].isalnum() and len(text) <= _MODULE_CHARACTERS
