"""The import rules of ARCHITECTURE.md, and the coding rules that a parser can check.

`parse_tree` reads a tree of sources; each rule in `RULES` yields one line for each violation.
tests/test_architecture.py checks our own tree and broken trees.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

FLOORS = (
    (
        *(
            "amounts",
            "channel",
            "columns",
            "copies",
            "descriptors",
            "environment",
            "errors",
            "family",
        ),
        *("flags", "installed", "links", "locality", "logger", "logs", "notebook", "paths"),
        *("private_folder", "pytest_errors", "ranges", "record", "resources", "secret", "signals"),
        *("stacks", "stdio", "task_scope", "timing", "tracebacks", "version"),
    ),
    ("flow", "shards", "command_line"),
    ("planner", "program", "wire"),
    ("task", "master", "agent", "servers"),
    ("driver", "cli", "testing"),
    ("launch",),
)
# Modules that every room may import, rooms of floor 0 included.
GROUND = {
    *("copies", "environment", "errors", "installed", "links", "notebook", "record", "stdio"),
    *("task_scope", "timing", "tracebacks"),
}
FLOOR_OF_ROOM = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

ENTRY = "glowpy.flow.entry"  # the one sanctioned exception: Flow.run() imports launch lazily
MAIN = "glowpy.__main__"  # python -m glowpy, which only calls cli
SERVERS = {"master", "agent"}  # servers handle rows as opaque bytes: no user code, no unpickling
CLOSED_TO_SERVERS = ("glowpy.flow", "glowpy.planner", "glowpy.shards.codec")
UNPICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "marshal", "shelve", "dill"}
TRANSPORT = "glowpy.wire.transport"
ONLY_IMPORTER = {"zmq": TRANSPORT, "msgpack": "glowpy.wire"}
MAY_PRINT = ("glowpy.cli", "glowpy.launch")
MAY_EXIT = ("glowpy.cli", "glowpy.launch", "glowpy.task.script_start", MAIN)
PURE = (  # state machines: their owner passes the time in and carries out the actions
    "glowpy.driver.scheduling",
    *("glowpy.driver.fleets.agent_connection", "glowpy.driver.fleets.cluster_actions"),
    *("glowpy.driver.fleets.cluster_core", "glowpy.driver.fleets.master_client"),
    *("glowpy.driver.view.progress", "glowpy.driver.view.summary", "glowpy.driver.view.run_stats"),
    *("glowpy.agent.lease_check", "glowpy.master.admission", "glowpy.master.signing"),
    *("glowpy.wire.key_file", "glowpy.wire.lease_signature", "glowpy.wire.roles"),
    *("glowpy.agent.core", "glowpy.agent.executors", "glowpy.agent.pool", "glowpy.agent.runs"),
    *("glowpy.master.allocator", "glowpy.master.capacity", "glowpy.master.channels"),
    *("glowpy.master.drivers", "glowpy.master.free_order", "glowpy.master.shares"),
    *("glowpy.master.status", "glowpy.master.topology"),
    *("glowpy.shards.blocks", "glowpy.shards.pull", "glowpy.shards.receiver"),
    *("glowpy.flow.graph", "glowpy.planner"),
)
# Modules of clocks, random numbers, sockets, processes, threads, files and logs.
WORLDLY = {
    *("asyncio", "ctypes", "datetime", "fcntl", "io", "logging", "mmap", "multiprocessing"),
    *("pathlib", "psutil", "random", "secrets", "select", "selectors", "shutil", "signal"),
    *("socket", "subprocess", "sys", "tempfile", "threading", "time", "zmq"),
}
MAX_LINES = {"glowpy": 350, "tests": 400}  # per file, by folder
# The user's interface is one class: signatures, docstrings and a call each, for one search.
LONG_FILES = {"glowpy/flow/dataset.py"}


class When(Enum):
    """When an import statement runs."""

    LOADING = "when the module loads"
    LAZY = "inside a function"
    TYPING = "under TYPE_CHECKING"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: a module, or possibly a module or an object in a module."""

    name: str
    line: int
    when: When


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed source file, with its imports."""

    name: str
    path: Path
    tree: ast.Module
    imports: tuple[Import, ...]

    line_count: int

    @property
    def room(self) -> str:
        return room_of(self.name)


Modules = dict[str, Module]
Rule = Callable[[Modules], Iterator[str]]


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def room_of(name: str) -> str:
    """glowpy.flow.ops.map → flow; glowpy itself has no room."""
    return name.split(".")[1] if "." in name else ""


def imports_of(tree: ast.AST, module: str, is_package: bool) -> Iterator[Import]:
    package = module if is_package else module.rpartition(".")[0]

    def visit(node: ast.AST, when: When) -> Iterator[Import]:
        child: ast.AST
        match node:
            case ast.Import():
                for alias in node.names:
                    yield Import(alias.name, node.lineno, when)
            case ast.ImportFrom():
                base = node.module or ""
                if node.level:
                    parents = package.split(".")
                    parents = parents[: len(parents) - node.level + 1]
                    base = ".".join([*parents, base] if base else parents)
                for alias in node.names:
                    name = base if alias.name == "*" else f"{base}.{alias.name}"
                    yield Import(name, node.lineno, when)
            case ast.Call(
                func=ast.Attribute(attr="import_module")
                | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield Import(name, node.lineno, when)
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for child in node.body:
                    yield from visit(child, When.TYPING)
                for child in node.orelse:
                    yield from visit(child, when)
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                when = When.LAZY
        for child in ast.iter_child_nodes(node):
            yield from visit(child, when)

    yield from visit(tree, When.LOADING)


def parse_tree(root: Path) -> Modules:
    modules = {}
    for path in sorted(p for folder in MAX_LINES for p in (root / folder).rglob("*.py")):
        parts = list(path.relative_to(root).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, filename=str(path))
        found = tuple(imports_of(tree, name, is_package))
        modules[name] = Module(name, path.relative_to(root), tree, found, text.count("\n"))
    return modules


def target_of(name: str, modules: Modules) -> str:
    """The module of glowpy that an imported name refers to, or the module that defines the name."""
    while name not in modules and "." in name:
        name = name.rpartition(".")[0]
    return name


def ours(modules: Modules) -> list[Module]:
    return [module for module in modules.values() if inside(module.name, "glowpy")]


def floors(modules: Modules) -> Iterator[str]:
    """Each import goes to its own room or to a lower floor, lazy and typing imports included."""
    for module in ours(modules):
        if module.name not in ("glowpy", MAIN) and module.room not in FLOOR_OF_ROOM:
            yield f"{module.path}: {module.room} is no room of ARCHITECTURE.md"
            continue
        for found in module.imports:
            if inside(found.name, "glowpy"):
                for fault in floor_faults(module, found):
                    yield f"{module.path}:{found.line}: {fault}"


def floor_faults(module: Module, found: Import) -> Iterator[str]:
    room = room_of(found.name)
    floor = FLOOR_OF_ROOM.get(room)  # None: a name exported by glowpy/__init__.py
    if floor is None:
        if module.name != "glowpy" and room != "__version__":
            yield f"takes {found.name} from the front door; import the module that defines it"
    elif module.name == "glowpy":  # its __getattr__ exports names of upper floors
        if found.when is When.LOADING and floor > 1:
            yield f"`import glowpy` loads {found.name} (floor {floor})"
    elif module.name == MAIN:
        if room != "cli":
            yield f"__main__ imports {found.name}; it opens cli only"
    elif module.name == ENTRY and room == "launch":
        if found.when is not When.LAZY:
            yield f"launch may be imported only inside a function, not {found.when.value}"
    elif room not in {module.room, *GROUND} and floor >= FLOOR_OF_ROOM[module.room]:
        own = f"{module.room} (floor {FLOOR_OF_ROOM[module.room]})"
        yield f"{own} imports {found.name} (floor {floor}) {found.when.value}"


def outside_packages(modules: Modules) -> Iterator[str]:
    """Only one module imports zmq, only one room msgpack."""
    for module in ours(modules):
        for found in module.imports:
            top = found.name.partition(".")[0]
            if top in ONLY_IMPORTER and not inside(module.name, ONLY_IMPORTER[top]):
                yield f"{module.path}:{found.line}: only {ONLY_IMPORTER[top]} imports {top}"


def quick_records(modules: Modules) -> Iterator[str]:
    """NamedTuple is glowpy.record's, which defines a class seven times faster than typing's."""
    for module in ours(modules):
        for found in module.imports:
            if found.name == "typing.NamedTuple" and module.name != "glowpy.record":
                yield f"{module.path}:{found.line}: take NamedTuple from glowpy.record"


def servers_stay_closed(modules: Modules) -> Iterator[str]:
    """No server imports user code or an unpickling module, directly or through other modules."""
    for module in ours(modules):
        if module.room not in SERVERS:
            continue
        for name, way in loaded_by(module, modules).items():
            tops = {found.name.partition(".")[0] for found in modules[name].imports}
            closed = [name] if inside(name, *CLOSED_TO_SERVERS) else sorted(tops & UNPICKLERS)
            for target in closed:
                yield f"{module.path}: {module.room} reaches {target} ({' → '.join(way)})"


def loaded_by(start: Module, modules: Modules) -> dict[str, list[str]]:
    """Each module of glowpy that `start` may load, with the chain of imports.

    The packages around a module are loaded too, all but glowpy/__init__.py, which `floors` checks.
    Chains end at a room that is closed to servers, to avoid repetitions of the same fault.
    """
    ways = {start.name: [start.name]}
    waiting = [start.name]
    while waiting:
        name = waiting.pop()
        if inside(name, *CLOSED_TO_SERVERS):
            continue
        for found in modules[name].imports:
            target = target_of(found.name, modules)
            while found.when is not When.TYPING and inside(target, "glowpy") and "." in target:
                if target not in ways and target in modules:
                    ways[target] = [*ways[name], target]
                    waiting.append(target)
                target = target.rpartition(".")[0]
    return ways


def machines_are_pure(modules: Modules) -> Iterator[str]:
    """Pure modules use no clock, file, socket or process; of `os`, only functions on paths."""
    for module in ours(modules):
        if not inside(module.name, *PURE):
            continue
        for found in module.imports:
            if found.name.partition(".")[0] in WORLDLY or inside(found.name, TRANSPORT):
                yield f"{module.path}:{found.line}: a pure machine imports {found.name}"
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(func=ast.Name(id="open" | "print" | "input" as name)):
                    yield f"{module.path}:{node.lineno}: a pure machine calls {name}()"
                case ast.Attribute(value=ast.Name(id="os"), attr=attr) if attr != "path":
                    yield f"{module.path}:{node.lineno}: a pure machine takes os.{attr}"


def no_cycles(modules: Modules) -> Iterator[str]:
    """Modules form no ring, by lazy and typing imports neither, but for the entry to launch."""
    graph = {
        module.name: sorted(
            {target_of(found.name, modules) for found in module.imports}
            & (modules.keys() - {module.name, "glowpy.launch" if module.name == ENTRY else ""})
        )
        for module in ours(modules)
    }
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> Iterator[str]:
        if name in way:
            yield "import cycle: " + " → ".join([*way[way.index(name) :], name])
        elif name not in done:
            for target in graph[name]:
                yield from visit(target, [*way, name])
            done.add(name)

    for name in sorted(graph):
        yield from visit(name, [])


def habits(modules: Modules) -> Iterator[str]:
    """No print and no exit in a library; no swallowed exception and no sleep anywhere."""
    for module in modules.values():
        for node in ast.walk(module.tree):
            fault = habit_fault(module, node)
            if fault:
                yield f"{module.path}:{getattr(node, 'lineno', 0)}: {fault}"


def habit_fault(module: Module, node: ast.AST) -> str:
    library = inside(module.name, "glowpy")
    match node:
        case ast.Call(func=ast.Name(id="print")):
            if library and not inside(module.name, *MAY_PRINT):
                return "print in a library"
        case (
            ast.Attribute(value=ast.Name(id="sys"), attr="exit")
            | ast.Call(func=ast.Name(id="exit" | "quit"))
            | ast.Raise(exc=ast.Name(id="SystemExit") | ast.Call(func=ast.Name(id="SystemExit")))
        ):
            if library and not inside(module.name, *MAY_EXIT):
                return "exits outside cli and launch"
        case ast.ExceptHandler(type=None):
            return "bare except"
        case ast.ExceptHandler(body=[ast.Pass() | ast.Expr(value=ast.Constant())]):
            return "swallows an exception; say contextlib.suppress, and why"
        case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
            return "time.sleep; wait for the event"
        case ast.ImportFrom(module="time", names=names):
            if any(alias.name == "sleep" for alias in names):
                return "time.sleep; wait for the event"
        case ast.ImportFrom(module="sys", names=names):
            if library and any(alias.name == "exit" for alias in names):
                return "exits outside cli and launch"
    return ""


def short_files(modules: Modules) -> Iterator[str]:
    """A longer file describes more than one noun."""
    for module in modules.values():
        if str(module.path) in LONG_FILES:
            continue
        most = MAX_LINES[module.path.parts[0]]
        if module.line_count > most:
            yield f"{module.path}: {module.line_count} lines, more than {most}"


RULES: tuple[Rule, ...] = (
    floors,
    outside_packages,
    quick_records,
    servers_stay_closed,
    machines_are_pure,
    no_cycles,
    habits,
    short_files,
)
