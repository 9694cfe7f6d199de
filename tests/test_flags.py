from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy.command_line import Mode, mode, parse, task_arguments
from glowpy.errors import FlagError
from glowpy.flags import FLAGS, Flag, Options

GLOW_FLAGS = """
    glow glow.leader glow.dataCenter glow.rack glow.task.memoryMB glow.flow.bid glow.flow.plot
    glow.flow.stat glow.module glow.related.files glow.driver.host glow.driver.port cert.file
    key.file ca.file glow.flow.id glow.taskGroup.id glow.task.name glow.taskGroup.inputs
    glow.exe.hash glow.channel.bufferSize glow.request.id glow.agent.address
""".split()
OUR_FLAGS = """
    glow.inline glow.flow.explain glow.speculate glow.quiet glow.run.id glow.workers glow.log.level
    glow.seed glow.hash.seed glow.start glow.insecure glow.debug
    glow.rerun.effects glow.env
""".split()
NOT_YET = """
    cert.file ca.file
""".split()
CURVE = "has no effect: glowpy encrypts with CURVE instead of TLS, and -key.file names the key"


def options_of(*argv: str) -> Options:
    return parse(argv)[0]


def notes_of(*argv: str) -> list[str]:
    return parse(argv)[2]


def test_the_table_holds_every_flag_of_glow_and_ours() -> None:
    assert sorted(flag.name for flag in FLAGS) == sorted(GLOW_FLAGS + OUR_FLAGS)
    assert {flag.field for flag in FLAGS} | {"leader_given"} == set(Options._fields)


def test_an_empty_command_line_has_the_defaults() -> None:
    options, rest, notes = parse([])
    assert (options, rest, notes) == (Options(), [], [])
    assert options.leader == "localhost:8930" and not options.leader_given
    assert (options.task_memory_mb, options.flow_bid, options.driver_port) == (64, 100.0, 0)
    with pytest.raises(AttributeError):
        options.glow = True  # type: ignore[misc]


@pytest.mark.parametrize("flag", FLAGS, ids=[flag.name for flag in FLAGS])
def test_every_flag_is_read_in_all_its_forms(flag: Flag) -> None:
    value, text = {
        bool: (True, "true"),
        int: (7, "7"),
        float: (2.5, "2.5"),
        str: ("a=b c", "a=b c"),
    }[type(flag.default)]
    if flag.choices:
        value = text = flag.choices[-1]
    forms = [[f"-{flag.name}={text}"], [f"--{flag.name}={text}"]]
    if flag.alone:
        pass  # the flag has no value: see below
    elif value is True:
        forms += [[f"-{flag.name}"], [f"--{flag.name}"]]
    else:
        forms += [[f"-{flag.name}", text], [f"--{flag.name}", text]]
    for words in forms:
        options, rest, notes = parse(["before", *words, "after"])
        assert getattr(options, flag.field) == value
        assert type(getattr(options, flag.field)) is type(flag.default)
        assert rest == ["before", "after"]
        assert any(f"-{flag.name} has no effect" in note for note in notes) == (
            flag.name in NOT_YET
        )


@pytest.mark.parametrize(
    ("words", "value"),
    [("-glow", True), ("-glow=true", True), ("--glow=1", True), ("-glow=TRUE", True)]
    + [("-glow=false", False), ("--glow=0", False), ("-glow=False", False)],
)
def test_truth_values(words: str, value: bool) -> None:
    assert options_of(words).glow is value


def test_a_bool_never_takes_the_next_word() -> None:
    assert parse(["-glow", "false"]) == (Options(glow=True), ["false"], [])


def test_a_flag_with_choices_may_stand_alone() -> None:
    for words in (["-glow.flow.stat"], ["-glow.flow.stat=true"], ["-glow.flow.stat=table"]):
        assert options_of(*words).flow_stat == "table"
    assert options_of("-glow.flow.stat=JSON").flow_stat == "json"
    assert options_of("-glow.flow.stat=false").flow_stat == ""
    assert parse(["-glow.flow.stat", "json"])[1] == ["json"], "the next word is the script's"
    with pytest.raises(FlagError, match=r"-glow.flow.stat=xml is none of table, json, true, false"):
        parse(["-glow.flow.stat=xml"])


@pytest.mark.parametrize(
    "words",
    [
        ["-k", "-key.filex=1", "-key", "--key.fil"],
        ["-glowx", "--glow-color=a", "--glowing", "---glow", "-glow_color"],
        ["--key-file", "--ca-file=x", "--cert-file", "-keyfile", "-key_file"],
        ["glow", "glow.leader=c", "key.file", "", "-", "-=", "--x=-glow"],
        ["--", "-glow", "-glow.nonsense", "-glow.leader", "--"],
        ["a", "--", "-key.file=k"],
    ],
)
def test_words_of_the_script_keep_their_order(words: list[str]) -> None:
    assert parse(words) == (Options(), words, [])


def test_flags_stand_anywhere_before_the_double_dash() -> None:
    argv = ["a", "-glow", "-v", "-glow.leader", "h:1", "b", "--", "-glow.rack=r", "c"]
    options, rest, notes = parse(argv)
    assert options == Options(glow=True, leader="h:1", leader_given=True)
    assert rest == ["a", "-v", "b", "--", "-glow.rack=r", "c"]
    assert notes == []


def test_the_leader_counts_as_given_even_at_its_default() -> None:
    assert options_of("-glow", "-glow.leader=localhost:8930").leader_given


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-glow.leadr", "unknown flag -glow.leadr; did you mean -glow.leader?"),
        ("--glow.leadr=h:1", "unknown flag -glow.leadr; did you mean -glow.leader?"),
        ("-glow.datacenter=x", "did you mean -glow.dataCenter?"),
        ("-glow.memory=1", "did you mean -glow.task.memoryMB?"),
        ("-glow.key.file=x", "did you mean -key.file?"),
        ("-glow.plot", "did you mean -glow.flow.plot?"),
        ("-glow.", "did you mean -glow?"),
        ("-glow.help", "unknown flag -glow.help; docs/flags.md lists all flags"),
        ("-glow.xylophone=1", "docs/flags.md lists all flags"),
        ("-glow.datacentre=3", "did you mean -glow.dataCenter?"),
        ("-glow.flow.stats", "did you mean -glow.flow.stat?"),
        ("-glow.flow.Stat", "did you mean -glow.flow.stat?"),
        ("-glow.task.memorymb=9", "did you mean -glow.task.memoryMB?"),
        ("-glow.bid=9", "did you mean -glow.flow.bid?"),
        ("-glow.stat", "did you mean -glow.flow.stat?"),
        ("-glow.worker=2", "did you mean -glow.workers?"),
        ("-Glow", "unknown flag -Glow; did you mean -glow?"),
        ("--GLOW.Leader=h:1", "unknown flag -GLOW.Leader; did you mean -glow.leader?"),
        ("-glow_leader=h:1", "did you mean -glow.leader?"),
        ("--glow-leadr=h:1", "did you mean -glow.leader?"),
        ("-glow.taskgroup.id=0", "did you mean -glow.taskGroup.id? Agents pass it to tasks"),
        ("-glow.taskGroup.ids=0", "did you mean -glow.taskGroup.id? Agents pass it to tasks"),
        ("-glow.flow-id=0", "did you mean -glow.flow.id? Agents pass it to tasks"),
        ("-glow-flow-id=0", "did you mean -glow.flow.id? Agents pass it to tasks"),
        ("-glow.exec.hash=0", "did you mean -glow.exe.hash? Agents pass it to tasks"),
        ("-glow=h:1", "is neither true nor false; did you mean -glow -glow.leader=h:1?"),
        ("-glow.task.memoryMB=lots", "-glow.task.memoryMB=lots is not a whole number"),
        ("-glow.task.memoryMB=1.5", "is not a whole number"),
        ("-glow.task.memoryMB=1_000", "is not a whole number"),
        ("-glow.task.memoryMB=٣", "is not a whole number"),
        ("-glow.task.memoryMB=" + "9" * 5000, "is not a whole number"),
        ("-glow.task.memoryMB=99999999999", "is outside 1..2147483647"),
        ("-glow.task.memoryMB=0", "-glow.task.memoryMB=0 is outside 1.."),
        ("-glow.task.memoryMB -5", "-glow.task.memoryMB=-5 is outside 1.."),
        ("-glow.task.memoryMB=", "-glow.task.memoryMB= has an empty value"),
        ("-glow.driver.port=65536", "-glow.driver.port=65536 is outside 0..65535"),
        ("-glow.driver.port -1", "-glow.driver.port=-1 is outside 0..65535"),
        ("-glow.flow.bid=much", "-glow.flow.bid=much is not a number"),
        ("-glow.flow.bid=nan", "is not a number"),
        ("-glow.flow.bid=inf", "is not a number"),
        ("-glow.flow.bid=-1", "is outside 0.."),
        ("-glow.workers=-1", "is outside 0.."),
        ("-glow.flow.id=-1", "is outside 0.."),
        ("-glow.run.id=0", "is outside 1.."),
        ("-glow=maybe", "-glow=maybe is neither true nor false"),
        ("-glow=", "-glow= has an empty value"),
        ("-glow.leader=", "-glow.leader= has an empty value"),
        ("-key.file=", "-key.file= has an empty value"),
        ("-glow.leader", "-glow.leader needs a value; write -glow.leader=VALUE"),
        ("-glow.leader -glow", "-glow.leader needs a value, but -glow follows"),
        ("-glow.leader -- x", "-glow.leader needs a value, but -- follows"),
        ("-glow.leader=a:1 -glow.leader b:2", "-glow.leader is given twice, as a:1 and b:2"),
        ("-glow -glow=false", "-glow is given twice, as True and False"),
    ],
)
def test_bad_words_are_refused(words: str, message: str) -> None:
    with pytest.raises(FlagError) as caught:
        parse(words.split(" "))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_value_twice_is_harmless() -> None:
    assert options_of("-glow", "-glow=1", "-glow.workers=2", "-glow.workers", "02").workers == 2


@pytest.mark.parametrize(
    "name", ["glow.rack", "glow.dataCenter", "glow.module", "glow.driver.host"]
)
def test_an_empty_value_is_accepted_if_the_default_is_empty(name: str) -> None:
    assert options_of(f"-{name}=") == options_of(f"-{name}", "") == Options()


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("-key-file=k", "-key.file=k"),
        ("-cert-file=c", "-cert.file=c"),
        ("-ca-file=c", "-ca.file=c"),
        ("-glow-leader=h:1", "-glow.leader=h:1"),
        ("--glow-leader=h:1", "-glow.leader=h:1"),
        ("-glow-data-center=d", "-glow.dataCenter=d"),
        ("--glow-task-memory-mb=9", "-glow.task.memoryMB=9"),
        ("-glow-channel-buffer-size=9", "-glow.channel.bufferSize=9"),
        ("-glow-flow-plot", "-glow.flow.plot"),
    ],
)
def test_flags_have_aliases_in_kebab_case(alias: str, name: str) -> None:
    assert parse(["-glow", alias, "x"]) == parse(["-glow", name, "x"])
    assert parse(["-glow", *alias.split("="), "x"]) == parse(["-glow", *name.split("="), "x"])


def test_every_flag_of_users_has_an_alias_that_is_no_other_flag() -> None:
    aliases = {flag.name.lower().replace(".", "") for flag in FLAGS}
    assert len(aliases) == len(FLAGS)
    for flag in FLAGS:
        if flag.place != "task" and "." in flag.name:
            value = flag.choices[0] if flag.choices else "true" if flag.default is False else "1"
            word = "-" + re.sub("(?<=[a-z])(?=[A-Z])", "-", flag.name).lower().replace(".", "-")
            assert parse([f"{word}={value}"]) == parse([f"-{flag.name}={value}"])


def test_an_argument_of_the_script_that_looks_like_a_flag_is_noted() -> None:
    (note,) = notes_of("-glow", "--key-file=k")
    assert note == "--key-file is an argument of the script; glowpy has -key.file"
    assert notes_of("--key-file=k") == []
    assert notes_of("-glow", "-key.file=a", "--key-file=k") == []
    assert notes_of("-glow", "--", "--key-file=k") == []


def test_a_value_with_a_dash_needs_the_equals_sign() -> None:
    assert options_of("-key.file=-odd").key_file == "-odd"
    assert options_of("-key.file", "-").key_file == "-"
    assert options_of("-glow.leader==").leader == "="


@pytest.mark.parametrize(
    ("words", "notes"),
    [
        ("-glow -glow.module=m -glow.related.files=a:b", []),
        ("-glow -cert.file c", [f"-cert.file {CURVE}"]),
        ("-glow -ca.file c", [f"-ca.file {CURVE}"]),
        ("-glow -key.file k -glow.driver.port=9 -glow.leader=h:1", []),
        ("-glow.workers=2 -glow.task.memoryMB=9 -glow.quiet", []),
        (
            "-glow.leader=h:1",
            ["-glow.leader has an effect only with -glow, and where a named channel is read"],
        ),
        ("-glow.rack=r", ["-glow.rack has an effect only with -glow and is ignored"]),
        ("-glow.leader=h:1 -glow.flow.plot", []),
        (
            "-glow -glow.workers=2",
            ["-glow.workers has an effect only in a standalone run and is ignored"],
        ),
        (
            "-glow.inline -glow.workers=2",
            ["-glow.workers has an effect only in a standalone run and is ignored"],
        ),
        ("-glow.task.name=t", ["-glow.task.name has an effect only in a task and is ignored"]),
        ("-glow.flow.id=1 -glow.taskGroup.id=0 -glow.task.name=t -key.file k", []),
    ],
)
def test_a_flag_without_effect_is_noted(words: str, notes: list[str]) -> None:
    assert notes_of(*words.split()) == notes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", Mode.STANDALONE),
        ("-glow=false", Mode.STANDALONE),
        ("-glow.leader=h:1", Mode.STANDALONE),
        ("-glow.inline", Mode.INLINE),
        ("-glow", Mode.DRIVER),
        ("-glow -glow.inline=false", Mode.DRIVER),
        ("-glow.flow.plot", Mode.PLOT),
        ("-glow -glow.flow.plot", Mode.PLOT),
        ("-glow.inline -glow.flow.plot", Mode.PLOT),
        ("-glow -glow.flow.explain", Mode.PLOT),
        ("-glow.flow.id=0 -glow.taskGroup.id=@", Mode.TASK),
        ("-glow -glow.flow.plot -glow.flow.id=1 -glow.taskGroup.id=2", Mode.TASK),
    ],
)
def test_mode(words: str, expected: Mode) -> None:
    assert mode(options_of(*words.split())) is expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-glow -glow.inline", "give only one"),
        ("-glow -glow.inline -glow.flow.plot", "give only one"),
        ("-glow -glow.module=../x", "-glow.module=../x is no valid name"),
        ("-glow.flow.id=0", "make this process a task, which an agent starts"),
        ("-glow -glow.taskGroup.id=3", "make this process a task, which an agent starts"),
    ],
)
def test_contradictions_are_refused(words: str, message: str) -> None:
    with pytest.raises(FlagError, match=message):
        mode(options_of(*words.split()))


def test_importing_stays_cheap() -> None:
    code = "import sys, glowpy.command_line; print('difflib' in sys.modules, 'zmq' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


numbers = st.integers(0, 2**31 - 1)
words_of_ids = st.text(min_size=1).filter(lambda text: bool(text.strip()))
own_words = st.one_of(
    st.text(),
    st.sampled_from(["-v", "--out=x", "-k", "-key.filex", "-glowx", "-", "--x", "7"]),
).filter(
    lambda word: (
        word != "--"
        and not word.startswith(("-glow", "--glow", "-cert.", "--cert.", "-key.file", "--key.file"))
        and not word.startswith(("-ca.file", "--ca.file"))
    )
)


@given(
    flow_id=numbers,
    run_number=st.integers(1, 2**31 - 1),
    agent_address=words_of_ids,
    executor_id=words_of_ids,
    exe_hash=st.text(),
    own=st.lists(own_words),
    after=st.lists(st.text()),
)
def test_task_arguments_come_back(
    flow_id: int,
    run_number: int,
    agent_address: str,
    executor_id: str,
    exe_hash: str,
    own: list[str],
    after: list[str],
) -> None:
    words = task_arguments(
        flow_id=flow_id,
        run_number=run_number,
        agent_address=agent_address,
        executor_id=executor_id,
        exe_hash=exe_hash,
    )
    options, rest, notes = parse([*words, *own, "--", *after])
    assert options == Options(
        flow_id=flow_id,
        run_number=run_number,
        agent_address=agent_address,
        executor_id=executor_id,
        exe_hash=exe_hash,
        group_ids="@",
        group_inputs="@",
    )
    assert (rest, notes) == ([*own, "--", *after], [])
    assert mode(options) is Mode.TASK


@given(
    st.lists(
        st.one_of(
            own_words.map(lambda word: [word]),
            st.sampled_from(
                [["-glow"], ["--glow.leader", "h:1"], ["-key.file=k"], ["-glow.quiet"]]
            ),
        )
    )
)
def test_own_words_keep_their_order_between_flags(pieces: list[list[str]]) -> None:
    flags = (["-glow"], ["--glow.leader", "h:1"], ["-key.file=k"], ["-glow.quiet"])
    options, rest, _ = parse([word for piece in pieces for word in piece])
    assert rest == [piece[0] for piece in pieces if piece not in flags]
    assert options == Options(
        glow=flags[0] in pieces,
        leader="h:1" if flags[1] in pieces else "localhost:8930",
        leader_given=flags[1] in pieces,
        key_file="k" if flags[2] in pieces else "",
        quiet=flags[3] in pieces,
    )
