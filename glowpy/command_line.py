"""Splits the command line of a script into flags and arguments, and derives the mode.

Pure: reads no environment, prints nothing, leaves `sys.argv` alone. Each start of a script loads
this module, so it imports nothing heavy.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from math import isfinite

from glowpy.errors import FlagError
from glowpy.flags import FLAGS, Flag, Options, Value, is_module_name

BY_HAND = (
    "-glow.flow.id and -glow.taskGroup.id make this process a task, which an agent starts with the "
    "secrets of its run; leave both out: without flags the script runs here on all cores, with "
    "-glow on a cluster, and with -glow.inline in one process, for debuggers"
)


def _kebab(name: str) -> str:
    """Return the alias of a flag: `glow-task-memory-mb` for `glow.task.memoryMB`."""
    dashed = name.replace(".", "-")
    return "".join(
        "-" + letter.lower() if letter.isupper() and before.islower() else letter.lower()
        for before, letter in zip("-" + dashed, dashed, strict=False)
    )


def _plain(name: str) -> str:
    return _kebab(name).replace("-", "").replace("_", "")


_DEFAULTS = Options()
_BY_NAME = {flag.name: flag for flag in FLAGS}
_BY_ALIAS = {_kebab(flag.name): flag for flag in FLAGS if flag.place != "task"}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class Mode(enum.Enum):
    """The role of this process."""

    STANDALONE = "standalone"  # runs the flow on all cores of this machine
    INLINE = "inline"  # runs the flow in its own process, one task group after another
    DRIVER = "driver"  # plans the flow and runs it on a cluster
    PLOT = "plot"  # prints the plan and runs nothing
    TASK = "task"  # started by an agent; runs task groups and nothing else


def parse(argv: Sequence[str]) -> tuple[Options, list[str], list[str]]:
    """Split the arguments of a script into glowpy's options, the script's own arguments and notes.

    `argv` is without the name of the script. Flags may stand anywhere before `--`; the script's own
    arguments keep their order, with `--` and all arguments after it. A note is one line for the
    user. Flags have aliases in kebab case: `-glow-data-center`, `-key-file`.

    Raises:
        FlagError: a flag is unknown, its value is missing or invalid, or two values differ.

    >>> options, rest, notes = parse(["-n", "5", "-glow.leader", "big:8930", "-glow", "in.txt"])
    >>> options.glow, options.leader, rest, notes
    (True, 'big:8930', ['-n', '5', 'in.txt'], [])
    """
    given: dict[str, Value] = {}
    rest: list[str] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        if word == "--":
            rest.extend(argv[position:])
            break
        position += 1
        flag, text = _recognise(word)
        if flag is None:
            rest.append(word)
            continue
        if text is None and (flag.alone or isinstance(flag.default, bool)):
            text = "true"  # a flag without a value: the next word belongs to the script
        elif text is None:
            text = _value_word(flag, argv, position)
            position += 1
        value = _convert(flag, text)
        first = given.setdefault(flag.name, value)
        if first != value:
            raise FlagError(f"-{flag.name} is given twice, as {first} and {value}; remove one")
    fields = {_BY_NAME[name].field: value for name, value in given.items()}
    fields["leader_given"] = "glow.leader" in given
    options = _DEFAULTS._replace(**fields)  # type: ignore[arg-type]  # types are those of the defaults
    return options, rest, [*_notes(options, given), *_notes_on_words(options, rest)]


def mode(options: Options) -> Mode:
    """Return the mode that the options select.

    Raises:
        FlagError: options contradict each other, or the name of the module is invalid.

    >>> mode(parse(["-glow.flow.plot", "-glow"])[0])
    <Mode.PLOT: 'plot'>
    """
    ids_given = (options.flow_id >= 0) + bool(options.group_ids)
    if ids_given == 2:
        return Mode.TASK
    if ids_given == 1:
        raise FlagError(BY_HAND)
    if options.module and not is_module_name(options.module):
        raise FlagError(
            f"-glow.module={options.module} is no valid name; use letters, digits and . _ -"
        )
    if options.glow and options.inline:
        raise FlagError("-glow runs on a cluster, -glow.inline in this process; give only one")
    if options.flow_plot and options.flow_explain:
        raise FlagError("-glow.flow.plot and -glow.flow.explain both print the plan; give only one")
    if options.flow_plot or options.flow_explain:
        return Mode.PLOT
    if options.glow:
        return Mode.DRIVER
    return Mode.INLINE if options.inline else Mode.STANDALONE


def task_arguments(
    *,
    flow_id: int,
    run_number: int,
    agent_address: str,
    executor_id: str,
    exe_hash: str,
    module: str = "",
) -> list[str]:
    """Return the flags that start a script as a task. The arguments of the script follow."""
    return [
        f"-glow.flow.id={flow_id}",
        "-glow.taskGroup.id=@",
        f"-glow.run.id={run_number}",
        f"-glow.agent.address={agent_address}",
        f"-glow.request.id={executor_id}",
        f"-glow.exe.hash={exe_hash}",
        "-glow.taskGroup.inputs=@",
        *([f"-glow.module={module}"] if module else []),
    ]


def _recognise(word: str) -> tuple[Flag | None, str | None]:
    """Return the flag that `word` names and the value after `=`; (None, None) for other words."""
    if not word.startswith("-"):
        return None, None
    name, equals, text = word[2 if word.startswith("--") else 1 :].partition("=")
    flag = _BY_NAME.get(name)
    if flag is None and (_is_ours(name) or not word.startswith("--")):
        flag = _BY_ALIAS.get(name)  # many scripts have a `--key-file` of their own
    if flag is not None:
        return flag, text if equals else None
    if name.lower().startswith("glow.") or name.lower() == "glow":
        raise _unknown(name, _nearest(name, 0.6))
    if _is_ours(name) and (nearest := _nearest(name, 0.8)) is not None:
        raise _unknown(name, nearest)
    return None, None


def _is_ours(name: str) -> bool:
    return name.lower().startswith(("glow.", "glow-", "glow_"))


def _unknown(name: str, nearest: Flag | None) -> FlagError:
    if nearest is None:
        return FlagError(f"unknown flag -{name}; docs/flags.md lists all flags")
    text = f"unknown flag -{name}; did you mean -{nearest.name}?"
    if nearest.place == "task":
        text += " Agents pass it to tasks; users do not need it"
    return FlagError(text)


def _nearest(name: str, least: float) -> Flag | None:
    """Return the flag with the most similar name, if the similarity is at least `least`.

    A flag with the same last part is preferred: `-glow.flow.stat` for `-glow.stat`. A flag of
    tasks, which users hardly mean, needs a nearly equal name.
    """
    from difflib import SequenceMatcher  # slow to import, and needed only on this path to an error

    plain = _without_prefix(name)
    found: list[tuple[float, Flag]] = []
    for flag in FLAGS:
        ratio = SequenceMatcher(None, plain, _without_prefix(flag.name)).ratio()
        if flag.place != "task" and flag.name.rpartition(".")[2] == name.rpartition(".")[2]:
            ratio += 1
        if ratio >= (max(least, 0.85) if flag.place == "task" else least):
            found.append((ratio, flag))
    return max(found, key=lambda each: each[0])[1] if found else None


def _without_prefix(name: str) -> str:
    """Return the part of a name that tells flags apart.

    >>> _without_prefix("glow.dataCenter"), _without_prefix("key.file")
    ('datacenter', 'keyfile')
    """
    return _plain(name).removeprefix("glow")


def _value_word(flag: Flag, argv: Sequence[str], position: int) -> str:
    """Return the word at `position` as the value of a flag; another flag there is an error."""
    word = argv[position] if position < len(argv) else "--"
    if len(word) > 1 and word[0] == "-" and not (word[1].isdigit() or word[1] == "."):
        follows = f", but {word} follows" if position < len(argv) else ""
        raise FlagError(f"-{flag.name} needs a value{follows}; write -{flag.name}=VALUE")
    return word


def _convert(flag: Flag, text: str) -> Value:
    default, shown = flag.default, f"-{flag.name}={text}"
    if not text.strip() and not flag.may_be_empty:
        raise FlagError(f"{shown} has an empty value; give a value or leave the flag out")
    if flag.choices:
        return _chosen(flag, text, shown)
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text.lower() not in _TRUTH:
            leader = f"; did you mean -glow -glow.leader={text}?" if ":" in text else ""
            raise FlagError(f"{shown} is neither true nor false{leader}")
        return _TRUTH[text.lower()]
    whole = isinstance(default, int)
    number = _number(text, whole=whole)
    if number is None:
        raise FlagError(f"{shown} is not a {'whole number' if whole else 'number'}")
    if not flag.least <= number <= flag.most:
        raise FlagError(f"{shown} is outside {flag.least}..{flag.most}")
    return number


def _chosen(flag: Flag, text: str, shown: str) -> str:
    word = text.lower()
    if word in flag.choices:
        return word
    if flag.alone and word in _TRUTH:
        return flag.alone if _TRUTH[word] else ""
    words = (*flag.choices, "true", "false") if flag.alone else flag.choices
    raise FlagError(f"{shown} is none of {', '.join(words)}")


def _number(text: str, *, whole: bool) -> int | float | None:
    """Return the number or None. Rejects blanks, underscores, `nan` and `inf`, unlike Python."""
    if not text.isascii() or "_" in text or text != text.strip():
        return None
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        return None
    return number if whole or isfinite(number) else None


_ELSEWHERE = {"cluster": "with -glow", "standalone": "in a standalone run", "task": "in a task"}


def _notes(options: Options, given: Mapping[str, Value]) -> list[str]:
    """Return a line for each flag that was given and has no effect."""
    notes = []
    here = "cluster" if options.glow else "inline" if options.inline else "standalone"
    # For a plan or a task, the flags are written for another start of the script.
    lenient = options.flow_plot or options.flow_explain or options.flow_id >= 0
    for name in given:
        flag = _BY_NAME[name]
        if flag.inert:
            notes.append(f"-{name} {flag.inert}")
        elif flag.place == "master":
            if not (lenient or options.glow):
                notes.append(
                    f"-{name} has an effect only with -glow, and where a named channel is read"
                )
        elif not lenient and flag.place not in ("anywhere", here):
            notes.append(f"-{name} has an effect only {_ELSEWHERE[flag.place]} and is ignored")
    return notes


def _notes_on_words(options: Options, rest: Sequence[str]) -> list[str]:
    """Return a line for each argument of a script with `-glow` that looks like a flag of glowpy."""
    if not options.glow:
        return []
    own = rest[: rest.index("--")] if "--" in rest else rest
    names = {word: word[2:].partition("=")[0] for word in own if word.startswith("--")}
    return [
        f"{word.partition('=')[0]} is an argument of the script; glowpy has -{_BY_ALIAS[name].name}"
        for word, name in names.items()
        if name in _BY_ALIAS and not getattr(options, _BY_ALIAS[name].field)
    ]
