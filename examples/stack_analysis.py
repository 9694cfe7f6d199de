"""Counts questions of Stack Overflow by month, and tags of questions with several tags.

python examples/stack_analysis.py            on posts.xml, created if missing
python examples/stack_analysis.py Posts.xml  on a dump of https://archive.org/details/stackexchange

Like Glow's stack_analysis. A row of the dump is a line of XML, with attributes for the type of the
post (PostTypeId 1: a question), the date, and the tags as <one><after><another>.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import add
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import glowpy
from glowpy import Flow

POSTS = 5000  # in the created file
TAGS = "c# java python go linux sql css html git vim".split()


class Question(NamedTuple):
    created: datetime
    tags: tuple[str, ...]


def questions_of(line: str) -> Iterator[Question]:
    """Yield the question of a line, or nothing for other posts."""
    if "<row" not in line:
        return
    attributes = ElementTree.fromstring(line).attrib
    if attributes["PostTypeId"] == "1":
        tags = attributes.get("Tags", "")
        names = tuple(tags[1:-1].split("><")) if tags else ()
        yield Question(datetime.fromisoformat(attributes["CreationDate"]), names)


def make_posts(path: Path) -> None:
    """Create a file of the same format, the same each time."""
    lots = random.Random(1)
    created = datetime.fromisoformat("2008-07-31T21:42:52.667")
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        for number in range(1, POSTS + 1):
            created += timedelta(minutes=lots.randrange(1, 200))
            post = {"Id": str(number), "CreationDate": created.isoformat(timespec="milliseconds")}
            if lots.random() < 0.4:
                names = lots.sample(TAGS, lots.randrange(4))
                post |= {"PostTypeId": "1", "Tags": "".join(f"<{name}>" for name in names)}
            else:
                post |= {"PostTypeId": "2", "Body": 'an answer, with <b>&"quotes"</b>'}
            attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in post.items())
            file.write(f"  <row {attributes} />\n")
        file.write("</posts>\n")


path = Path((glowpy.argv() or ["posts.xml"])[0])
if not glowpy.is_task() and not path.exists():
    make_posts(path)

flow = Flow()
questions = flow.text_file(path, 4).flat_map(questions_of)
tags = (
    questions.filter(lambda question: len(question.tags) > 1)
    .flat_map(lambda question: [(tag, 1) for tag in question.tags])
    .reduce_by_key(add)
    .sort(key=lambda pair: (pair[1], pair[0]))
)
months = (
    questions.map(lambda question: (question.created.strftime("%Y-%m"), 1))
    .reduce_by_key(add)
    .sort()
)

for tag, count in tags.collect():
    print(count, tag)
for month, count in months.collect():
    print(month, count)
