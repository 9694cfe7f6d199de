"""The seven programs of Glow's word_count example, by number.

python examples/glow_word_count.py 1                   counts the fields of /etc/passwd
python examples/glow_word_count.py 2 my.txt            2: lines in order, partitioned and merged
python examples/glow_word_count.py 3 my.txt            3: its fields joined with themselves
python examples/glow_word_count.py 4 one.txt two.txt   4: common words of two files, with counts
python examples/glow_word_count.py 5                   5: channels in and out of a running flow
python examples/glow_word_count.py 6                   6: a loop unrolled into steps
python examples/glow_word_count.py 7 my.txt out.txt    7: the fields of a file, sorted, saved

Each program runs in every mode: add -glow for a cluster, -glow.flow.plot for a picture.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from operator import add
from threading import Thread

import glowpy
from glowpy import Channel, Dataset, Flow

SEPARATORS = re.compile(r"[^A-Za-z0-9]+")


def fields_of(path: str, shards: int) -> Dataset:
    """The fields of the lines of a file like /etc/passwd."""
    return (
        Flow()
        .text_file(path, shards)
        .filter(lambda line: not line.startswith("#"))
        .flat_map(lambda line: line.split(":"))
    )


def basic_map_reduce(path: str = "/etc/passwd") -> None:
    fields = fields_of(path, 2)
    fields.map(lambda field: 1).reduce(add).map(lambda count: print("count:", count)).run()


def partition_and_sort(path: str = "/etc/hosts") -> None:
    Flow().text_file(path, 7).partition(2).map(str.rstrip).sort().map(print).run()


def self_join(path: str = "/etc/passwd") -> None:
    pairs = fields_of(path, 3).map(lambda field: (field, field))
    pairs.join(pairs).map(lambda key, left, right: print(key, ":", left, ":", right)).run()


def join(left_path: str = "/etc/passwd", right_path: str = "/etc/group") -> None:
    flow = Flow()

    def counts(path: str) -> Dataset:
        return (
            flow.text_file(path, 3)
            .flat_map(lambda line: SEPARATORS.split(line.lower()))
            .map(lambda word: (word, 1))
            .sort()
            .local_reduce_by_key(add)
        )

    both = counts(left_path).join(counts(right_path))
    both.map(lambda word, left, right: print(word, ":", left, ":", right)).run()


def input_output_channels() -> None:
    numbers, seen, products = Channel(), Channel(), Channel()
    flow = Flow()
    source = flow.channel(numbers).add_output(seen)
    twice = source.map(lambda number: (number, number * 2))
    thrice = source.map(lambda number: (number, number * 3))
    twice.join(thrice).add_output(products)

    glowpy.ready()  # the code below runs in the driver only

    run = flow.start()
    listeners = [
        Thread(target=show, args=("source {}", ((number,) for number in seen))),
        Thread(target=show, args=("{} : {} : {}", products)),
    ]
    for listener in listeners:
        listener.start()
    with numbers:
        for number in range(5):
            numbers.send(number)
            numbers.send(number)
    for listener in listeners:
        listener.join()
    run.wait()


def unrolled_static_loop() -> None:
    numbers, results = Channel(), Channel()
    flow = Flow()
    pairs = flow.channel(numbers).partition(2).map(lambda number: (number, number * 2))
    for _ in range(7):
        pairs = pairs.map(lambda x, y: (x + 1, y + 1))
    pairs.add_output(results)

    glowpy.ready()  # the code below runs in the driver only

    run = flow.start()
    with numbers:
        for number in range(5):
            numbers.send(number)
    show("{} : {}", results)
    run.wait()


def save_to_file(path: str = "/etc/passwd", saved: str = "word_count.output") -> None:
    fields_of(path, 3).sort(key=str.lower).save_text_to_file(saved)


def show(form: str, rows: Iterator[tuple[int, ...]] | Channel) -> None:
    for row in rows:
        print(form.format(*row))


PROGRAMS = {
    "1": basic_map_reduce,
    "2": partition_and_sort,
    "3": self_join,
    "4": join,
    "5": input_output_channels,
    "6": unrolled_static_loop,
    "7": save_to_file,
}

if __name__ == "__main__":
    number, *paths = glowpy.argv() or ["1"]
    if number not in PROGRAMS:
        sys.exit(f"there are programs 1 to {len(PROGRAMS)}, not {number!r}")
    PROGRAMS[number](*paths)
