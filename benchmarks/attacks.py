"""What attacks cost our own servers, on loopback: before a change and after it.

python benchmarks/attacks.py                        the figures of this checkout
python benchmarks/attacks.py --before CHECKOUT      beside those of another one
python benchmarks/attacks.py --only idle            attacks whose name contains a word

Each attack starts a master and an agent of its own, with a key of its own, and ends after at most a
minute. Attacks of members hold that key; those of strangers do not.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import zmq

from glowpy.secret import Secret
from glowpy.wire.channel_messages import CHANNEL_MESSAGES, FindChannel
from glowpy.wire.coding import Coder
from glowpy.wire.greeting import hello_of
from glowpy.wire.messages import MESSAGES, AskExecutors
from glowpy.wire.run_messages import OpenRun
from glowpy.wire.status_messages import STATUS_MESSAGES

HERE = Path(__file__).resolve().parent.parent
MIB = 1 << 20
BOUND_S = 60.0
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
CODER = Coder(MESSAGES | STATUS_MESSAGES | CHANNEL_MESSAGES)


class Server:
    """A master or an agent of one checkout."""

    def __init__(self, process: subprocess.Popen[str], address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self.log = log
        self._process = psutil.Process(process.pid)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def memory_mb(self) -> float:
        return self._process.memory_info().rss / MIB

    def peak_mb(self) -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", text)
        return int(found[1]) / 1024 if found else 0.0

    def cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def has_ended(self) -> bool:
        return self.process.poll() is not None


def _keys_in(path: Path) -> tuple[tuple[bytes, bytes], bytes]:
    """A driver's key pair and the public key of servers; before roles, all members had one pair."""
    lines = dict(line.split(b" ", 1) for line in path.read_bytes().splitlines()[1:])
    if b"driver" not in lines:
        return (lines[b"public"], lines[b"secret"]), lines[b"public"]
    public, secret = lines[b"driver"].split()
    return (public, secret), lines[b"server"].split()[0]


class Attack:
    """The servers of one attack, and a member's and a stranger's way to them."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.directory = directory
        self._stack = stack
        self._context = stack.enter_context(zmq.Context())
        self._context.set(zmq.MAX_SOCKETS, 20_000)
        self.key_file = directory / "key"
        self.run("keys", str(self.key_file)).check_returncode()
        self._pair, self._server_public = _keys_in(self.key_file)
        self.master = self.start("master", "--address", "127.0.0.1:0")
        self.agent = self.start(
            *("agent", "--host", "127.0.0.1", "--port", "0", "--master", self.master.address),
            *("--dir", str(directory / "agent"), "--max.executors", "2"),
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "glowpy", *words],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )

    def start(self, role: str, *words: str, limit: int = 0) -> Server:
        log = self.directory / f"{role}-{time.monotonic_ns()}.log"

        def lower_limit() -> None:
            if limit:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "glowpy", role, *words),
                *("--log-level", "info"),
                *("--key-file", str(self.key_file), "--log-file", str(log)),
            ],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lower_limit,
        )
        self._stack.callback(self._end, process)
        assert process.stdout is not None
        address = process.stdout.readline().rpartition(" listening on ")[2].strip()
        assert address, f"the {role} does not listen: {log.read_text()}"
        return Server(process, address, log)

    def _end(self, process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def member(
        self, server: Server, routing_id: bytes = b"", *, reads: bool = True
    ) -> zmq.Socket[bytes]:
        """A connection with the cluster's key."""
        found: zmq.Socket[bytes] = self._stack.enter_context(self._context.socket(zmq.DEALER))
        found.setsockopt(zmq.LINGER, 0)
        found.setsockopt(zmq.SNDTIMEO, round(BOUND_S * 1000))
        found.curve_publickey, found.curve_secretkey = self._pair
        found.curve_serverkey = self._server_public
        if routing_id:
            found.setsockopt(zmq.ROUTING_ID, routing_id)
        if not reads:
            found.setsockopt(zmq.RCVHWM, 1)
        found.connect(f"tcp://{server.address}")
        return found

    def stranger(self, server: Server) -> socket.socket:
        """A connection without a key."""
        return self._stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))

    def answer_s(self, server: Server) -> float:
        """How long a greeting on a connection of its own waits for its answer."""
        begun_at = time.monotonic()
        socket = self.member(server)
        socket.send(CODER.encode(hello_of("driver", "attacks")))
        if not socket.poll(round(BOUND_S * 1000)):
            return float("inf")
        return time.monotonic() - begun_at

    def result_of_run(self) -> str:
        """The output of a small script that runs on the cluster."""
        script = self.directory / "script.py"
        script.write_text(
            "from glowpy import Flow\nprint(Flow().slice(range(100), 4).map(abs).count())\n"
        )
        try:
            ended = subprocess.run(
                [
                    *(sys.executable, str(script), "-glow", "-glow.quiet"),
                    *(f"-glow.leader={self.master.address}", f"-key.file={self.key_file}"),
                ],
                capture_output=True,
                text=True,
                timeout=BOUND_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "run hangs"
        return "run finishes" if ended.stdout == "100\n" else f"run fails: {ended.stderr[-80:]!r}"


def _peak_until_dropped(attack: Attack, before: float) -> str:
    """The master's memory, and its slowest answer, until it has dropped a message."""
    deadline = time.monotonic() + BOUND_S
    slowest_s = 0.0
    while "dropped a message" not in attack.master.log.read_text():
        slowest_s = max(slowest_s, attack.answer_s(attack.master))
        if time.monotonic() > deadline:
            return f"{attack.master.peak_mb() - before:+.0f} MB, not done after {BOUND_S:.0f} s"
    return f"{attack.master.peak_mb() - before:+.0f} MB, slowest answer {slowest_s:.1f} s"


def frame_of_empty_maps(attack: Attack) -> str:
    """one frame of 63 MiB, a map in each byte"""
    before = attack.master.memory_mb()
    peer = attack.member(attack.master)
    count = 63 * MIB
    peer.send(b"\x92\xa4Beat\xdd" + count.to_bytes(4, "big") + b"\x80" * count)
    if not peer.get_monitor_socket(zmq.EVENT_DISCONNECTED).poll(5000):
        return _peak_until_dropped(attack, before)
    return f"{attack.master.peak_mb() - before:+.0f} MB, the connection is closed"


def frame_of_many_values(attack: Attack) -> str:
    """one frame of 1 MiB, a short text in three bytes"""
    before = attack.master.memory_mb()
    peer = attack.member(attack.master)
    count = (MIB - 100) // 3
    peer.send(b"\x92\xa4Beat\xdd" + count.to_bytes(4, "big") + b"\xa2ab" * count)
    return _peak_until_dropped(attack, before)


def message_of_1000_parts(attack: Attack) -> str:
    """one message of 1,000 parts of 1 MB"""
    before = attack.master.memory_mb()
    peer = attack.member(attack.master)
    part = bytes(MIB - 2048)
    for number in range(1000):
        peer.send(part, zmq.SNDMORE if number < 999 else 0)
    return _peak_until_dropped(attack, before)


def answers_never_read(attack: Attack) -> str:
    """200,000 answers of the master that a member does not read"""
    attack.answer_s(attack.master)
    before = attack.master.memory_mb()
    deaf = attack.member(attack.master, reads=False)
    find = CODER.encode(FindChannel("x" * 400))
    for _ in range(200_000):
        deaf.send(find)
    deaf.send(b"the last")
    deadline = time.monotonic() + BOUND_S
    while "dropped a message" not in attack.master.log.read_text():
        attack.answer_s(attack.master)
        if time.monotonic() > deadline:
            break
    return f"{attack.master.memory_mb() - before:+.0f} MB"


def _before_the_handshake(attack: Attack, server: Server) -> str:
    before = server.memory_mb()
    connections = [attack.stranger(server) for _ in range(20)]
    size = 60 * MIB
    taken = 0
    for connection in connections:
        connection.settimeout(2.0)
        try:
            connection.sendall(GREETING)
            connection.recv(64)
            connection.sendall(b"\x06" + size.to_bytes(8, "big"))
            for _ in range(59):
                connection.sendall(bytes(MIB))
                taken += 1
        except OSError:
            continue
    return f"{server.peak_mb() - before:+.0f} MB, {taken} MB taken"


def strangers_at_a_master(attack: Attack) -> str:
    """20 strangers send a command of 60 MiB each before the handshake, to a master"""
    return _before_the_handshake(attack, attack.master)


def strangers_at_an_agent(attack: Attack) -> str:
    """20 strangers send a command of 60 MiB each before the handshake, to an agent"""
    return _before_the_handshake(attack, attack.agent)


def deep_manifest(attack: Attack) -> str:
    """a manifest of 51 MiB, 500 folders deep"""
    folders = "d/" * 499
    files = ",".join(f'[0,"{folders}{n:06}","{n:064}",1]' for n in range(48_000))
    manifest = f'{{"files":[{files}],"payload":null,"recorded":[],"related":[]}}'
    program = f'{{"argv":[],"entry":"x","kind":"script","manifest":{manifest}}}'
    peer = attack.member(attack.agent)
    message = OpenRun(
        run="r1",
        run_number=1,
        flow=0,
        manifest=program,
        program_server="127.0.0.1:1",
        working_directory="/",
        environment={},
        hash_seed=0,
        module="",
        secret=Secret(b"s" * 16),
    )
    peer.send_multipart([CODER.encode(message), b""])
    peer.send(CODER.encode(hello_of("driver", "attacks")))
    monitor = peer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    before = attack.agent.cpu_s()
    for _ in range(600):
        if peer.poll(100) or monitor.poll(0):
            break
    return f"{attack.agent.cpu_s() - before:.1f} s of CPU"


def made_up_drivers(attack: Attack) -> str:
    """4,000 made-up drivers, 16 of each connection, ask twice"""
    peers = [attack.member(attack.master) for _ in range(250)]
    before = attack.master.cpu_s()
    for _ in range(2):
        for each in range(16):
            for number, peer in enumerate(peers):
                ask = AskExecutors(f"d{number}-{each}", 5, 0, 64, "", "", 1.0)
                peer.send(CODER.encode(ask))
    deadline = time.monotonic() + BOUND_S
    answers = 0
    for peer in peers:
        left_s = deadline - time.monotonic()
        while answers < 8000 and peer.poll(max(0, round(1000 * min(left_s, 2)))):
            peer.recv()
            answers += 1
    return f"{attack.master.cpu_s() - before:.1f} s of CPU"


def output_not_taken(attack: Attack) -> str:
    """two tasks print 300 MB for a driver that is stopped"""
    script = attack.directory / "printing.py"
    script.write_text(
        "from glowpy import Flow\n"
        "def tell(row):\n"
        "    for _ in range(5000):\n"
        "        print('x' * 30_000)\n"
        "Flow().slice(range(2), 2).for_each(tell)\n"
    )
    before = attack.agent.memory_mb()
    words = [sys.executable, str(script), "-glow", f"-glow.leader={attack.master.address}"]
    driver = subprocess.Popen(
        [*words, f"-key.file={attack.key_file}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert driver.stdout is not None
    driver.stdout.readline()
    driver.send_signal(signal.SIGSTOP)
    pause, most = select.epoll(), 0.0
    for _ in range(200):
        pause.poll(0.1)
        most = max(most, attack.agent.memory_mb())
    pause.close()
    driver.kill()
    driver.wait()
    driver.stdout.close()
    return f"{most - before:+.0f} MB"


def chosen_routing_ids(attack: Attack) -> str:
    """60 members choose the routing ids that libzmq gives next, at master and agent"""
    libc = ctypes.CDLL(None)
    libc.srand(1)  # as in a process that seeds nothing
    first = (libc.rand() | libc.rand() << 31) & 0xFFFFFFFF
    outcomes = []
    for server in (attack.master, attack.agent):
        for number in range(60):
            chosen = b"\0" + ((first + number) & 0xFFFFFFFF).to_bytes(4, "big")
            attack.member(server, chosen).send(CODER.encode(hello_of("driver", "chosen")))
        for _ in range(3):
            anonymous = attack.member(server)
            anonymous.send(CODER.encode(hello_of("driver", "anonymous")))
            anonymous.poll(3000)
        outcomes.append("aborts" if server.has_ended() else "lives")
    return f"master {outcomes[0]}, agent {outcomes[1]}"


def few_descriptors(attack: Attack) -> str:
    """300 idle connections to a master that may open 256 files"""
    master = attack.start("master", "--address", "127.0.0.1:0", limit=256)
    for _ in range(300):
        attack.stranger(master)
    before = master.cpu_s()
    pause = select.epoll()
    pause.poll(3.0)
    pause.close()
    return f"{(master.cpu_s() - before) / 3.0:.0%} of a core meanwhile"


def idle_connections(attack: Attack) -> str:
    """5,000 idle connections on the master and on the agent while a run finishes"""
    before = attack.master.memory_mb(), attack.agent.memory_mb()
    for server in (attack.master, attack.agent):
        for _ in range(5000):
            attack.stranger(server)
    result = attack.result_of_run()
    more = [
        now - then
        for now, then in zip(
            (attack.master.memory_mb(), attack.agent.memory_mb()), before, strict=True
        )
    ]
    return f"{result}, {more[0]:+.0f} MB and {more[1]:+.0f} MB"


def refused_handshakes(attack: Attack) -> str:
    """75 handshakes that fail: garbage, no key, another server key"""
    other = zmq.curve_keypair()
    null = GREETING.replace(b"CURVE", b"NULL\0")
    for number in range(75):
        if number % 3 < 2:
            connection = attack.stranger(attack.master)
            connection.sendall(null if number % 3 else b"GET / HTTP/1.1\r\n\r\n")
            connection.settimeout(5.0)
            with contextlib.suppress(OSError):
                while connection.recv(100):
                    continue
            continue
        peer = attack.member(attack.master)
        peer.disconnect(f"tcp://{attack.master.address}")
        peer.curve_serverkey = other[0]
        peer.setsockopt(zmq.RECONNECT_IVL, -1)
        monitor = peer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        peer.connect(f"tcp://{attack.master.address}")
        monitor.poll(5000)
        peer.disable_monitor()
        monitor.close(0)
    text = attack.master.log.read_text()
    with_address = len(re.findall(r"refused a handshake of 127\.0\.0\.1:\d+", text))
    return (
        f"{text.count('refused')} lines, {with_address} with an address (at most 100 alike in 10 s)"
    )


ATTACKS: tuple[Callable[[Attack], str], ...] = (
    frame_of_empty_maps,
    frame_of_many_values,
    message_of_1000_parts,
    answers_never_read,
    strangers_at_a_master,
    strangers_at_an_agent,
    deep_manifest,
    made_up_drivers,
    output_not_taken,
    chosen_routing_ids,
    few_descriptors,
    idle_connections,
    refused_handshakes,
)


def carry_out(name: str) -> str:
    """One attack, in this process; `glowpy` is that of PYTHONPATH."""
    (attack,) = (each for each in ATTACKS if each.__name__ == name)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with tempfile.TemporaryDirectory(prefix="ga-") as directory, contextlib.ExitStack() as stack:
        setting = Attack(Path(directory), stack)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        del soft
        return attack(setting)


def figure(checkout: Path, name: str) -> str:
    """What an attack does to the servers of a checkout, by a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    words = [sys.executable, __file__, "--carry-out", name]
    try:
        ended = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=5 * BOUND_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end within {5 * BOUND_S:g} s"
    return ended.stdout.strip() or f"failed: {ended.stderr.strip()[-200:]}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, default=None, metavar="CHECKOUT")
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--carry-out", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.carry_out:
        print(carry_out(options.carry_out))
        return
    print("| attack | before | after |\n|---|---|---|", flush=True)
    for attack in ATTACKS:
        if options.only in attack.__name__:
            before = figure(options.before, attack.__name__) if options.before else ""
            after = figure(HERE, attack.__name__)
            print(f"| {attack.__doc__} | {before} | {after} |", flush=True)


if __name__ == "__main__":
    main()
