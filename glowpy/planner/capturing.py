"""Finds and digests the values captured by the functions of a run's steps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Set
from types import CodeType, FunctionType, MethodType
from typing import Any

from glowpy.flow.graph import Step
from glowpy.flow.marks import lines_with_is_task, marked_names
from glowpy.flow.ops.kernel import PassOp
from glowpy.planner.captures import ARGUMENT, NOT_DEFINED, NOT_SHOWN, Captured
from glowpy.planner.code_names import CodeNames, digest_of, names_in, stored_on
from glowpy.planner.plan import Plan, steps_of
from glowpy.planner.reached import MISSING, Reached, arguments_of, captured_by
from glowpy.planner.value_text import ValueText, type_name
from glowpy.record import NamedTuple

_TEXT_CHARACTERS = 100  # of one value, in a message
_MOST_TEXT_CHARACTERS = 1 << 20  # of all values: a run description goes to every executor
_SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key", re.IGNORECASE)
_SCRIPT = "__main__"  # names marked by the script count in all modules
_SHORTEST_VARIABLE = 4  # shorter values of environment variables are too common


class Surroundings(NamedTuple):
    """Expected differences between driver and task, which must not count.

    Attributes:
        is_local: True for the name of a module of the program.
        own: maps a text to the driver's, where paths differ.
        environment: the variables of this process, whose values are not shown.
        may_differ: marked variables, each as module and name.
    """

    is_local: Callable[[str], bool]
    own: Callable[[str], str]
    environment: Mapping[str, str]
    may_differ: Set[tuple[str, str]]


def captured_values(
    plan: Plan, surroundings: Surroundings
) -> tuple[tuple[Captured, ...], dict[int, tuple[int, ...]]]:
    """Return the values captured by the functions of all steps, and their indices by step."""
    capturing = _Capturing(surroundings)
    numbers: dict[Captured, int] = {}
    steps = {}
    for step in steps_of(plan):
        if not isinstance(step.op, PassOp):
            found = sorted(capturing.of_step(step))
            steps[step.id] = tuple(numbers.setdefault(each, len(numbers)) for each in found)
    return tuple(numbers), steps


def accepted_names() -> frozenset[tuple[str, str]]:
    """Return the variables that may differ, each as module and name."""
    asked = {
        (module, name)
        for module, code, line in lines_with_is_task()
        for name in stored_on(code, line)
    }
    return marked_names() | asked


class _Capturing:
    """Captures the values of one run's steps, step by step."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._names: dict[int, tuple[CodeType, CodeNames]] = {}
        self._code_digests: dict[int, str] = {}  # by the code objects in `_names`
        self._known: dict[int, tuple[Any, str]] = {}  # texts shared by all steps
        self._variables = {
            value: name
            for name, value in surroundings.environment.items()
            if len(value) >= _SHORTEST_VARIABLE
        }
        self._text_left = _MOST_TEXT_CHARACTERS
        self._reached = Reached(surroundings.is_local, self._names_of)
        self._is_of_step = False
        self._writer = ValueText(self._attributes_of, _callable_text, surroundings.own)

    def of_step(self, step: Step) -> Iterator[Captured]:
        reached = self._reached = Reached(self._surroundings.is_local, self._names_of)
        arguments = arguments_of(step.op)
        reached.follow(arguments)
        for each in arguments:
            yield from self._of_argument(each, step.name)
        for function in reached.functions:
            yield from self._of_function(function)
        for kind in reached.classes:
            owner = f"class {kind.__qualname__}"
            for name, value in reached.members(kind):
                if not callable(value) and not self._is_marked(kind.__module__, name):
                    yield self._captured(name, owner, self._text_of(value), value)

    def _of_argument(self, value: Any, step: str) -> Iterator[Captured]:
        """Capture an argument: a function by its captured values, a method by its object."""
        if type(value) is MethodType:
            value = value.__self__
        if type(value) is FunctionType:
            return
        if self._reached.attributes_of(value) is None:
            yield self._captured(ARGUMENT, step, self._text_of(value), value)
        else:
            kind = type(value)
            yield from self._of_variable("self", kind.__qualname__, kind.__module__, value)

    def _of_function(self, function: FunctionType) -> Iterator[Captured]:
        code, module = function.__code__, function.__globals__.get("__name__", "__main__")
        owner = f"{function.__qualname__} ({_base_name(code.co_filename)}:{code.co_firstlineno})"
        values = list(captured_by(function))
        if self._reached.is_local_function(function):
            self._names_of(code)  # keeps the code object alive, and so its id unique
            if id(code) not in self._code_digests:
                self._code_digests[id(code)] = digest_of(code)
            yield Captured(name="", owner=owner, digest=self._code_digests[id(code)], text="")
            values += self._reached.globals_of(function)
        for name, value in values:
            if not self._is_marked(module, name):
                yield from self._of_variable(name, owner, module, value)

    def _of_variable(self, name: str, owner: str, module: str, value: Any) -> Iterator[Captured]:
        """Capture a value, or each of its attributes, so that a message can name the attribute."""
        attributes = None if value is MISSING else self._reached.attributes_of(value)
        if not attributes:
            yield self._captured(name, owner, self._text_of(value), value)
            attributes = self._reached.beside_elements(value)
        else:
            yield self._captured(name, owner, f"an object of {type_name(type(value))}", value)
        for each, part in attributes.items():
            if not self._is_marked(module, each):
                yield self._captured(f"{name}.{each}", owner, self._text_of(part), part)

    def _captured(self, name: str, owner: str, text: str, value: Any) -> Captured:
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12)
        if _SECRET.search(name):
            text = NOT_SHOWN
        elif type(value) is str and value in self._variables:
            text = f"the value of ${self._variables[value]}"
        elif len(text) > _TEXT_CHARACTERS:
            text = f"{text[:_TEXT_CHARACTERS]}… ({len(text)} characters)"
        self._text_left -= len(text)
        return Captured(
            name=name,
            owner=owner,
            digest=digest.hexdigest(),
            text=text if self._text_left > 0 else "…",
        )

    def _text_of(self, value: Any) -> str:
        if value is MISSING:
            return NOT_DEFINED
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        self._is_of_step = False
        text = self._writer.of(value)
        if not self._is_of_step:
            self._known[id(value)] = value, text
        return text

    def _attributes_of(self, value: Any) -> Mapping[str, Any] | None:
        self._is_of_step = True  # the attributes that count depend on the code reached by the step
        return self._reached.attributes_of(value)

    def _names_of(self, code: CodeType) -> CodeNames:
        known = self._names.get(id(code))
        if known is None:
            known = self._names[id(code)] = code, names_in(code)
        return known[1]

    def _is_marked(self, module: str, name: str) -> bool:
        marked = self._surroundings.may_differ
        return any((of, part) in marked for part in name.split(".") for of in (module, _SCRIPT))


def _callable_text(value: Any) -> str | None:
    if issubclass(type(value), type):
        return f"<class {type_name(value)}>"
    if type(value) is FunctionType:
        return f"<function {value.__module__}.{value.__qualname__}>"
    return None


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]
