"""Normalization of lines before they are parsed."""

NUMBERS = {"one": 1, "two": 2, "three": 3}


def clean(line):
    line = line.strip().lower()
    if not line:
        return
    count, _, article = line.partition(" x ")
    yield f"{NUMBERS.get(count, count)} x {article}"
