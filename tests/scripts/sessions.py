"""Sessions of a web log: visits of one user less than 30 minutes apart."""

from collections import namedtuple
from datetime import datetime, timedelta, timezone

from glowpy import Flow

GAP = timedelta(minutes=30)
Hit = namedtuple("Hit", "user time page")

LOG = """\
2024-03-01T08:00:00+00:00 ann /home
2024-03-01T08:10:00+00:00 bob /home
2024-03-01T08:25:00+00:00 ann /cart
2024-03-01T09:00:00+00:00 ann /home
2024-03-01T11:12:00+02:00 bob /help
2024-03-01T09:15:30+00:00 ann /pay
2024-03-01T23:50:00+00:00 eve /home
2024-03-02T00:10:00+00:00 eve /cart
broken line
2024-03-02T00:39:59+00:00 eve /pay
"""


def parse(line):
    try:
        time, user, page = line.split()
        yield Hit(user, datetime.fromisoformat(time).astimezone(timezone.utc), page)
    except ValueError:
        return


def sessions(user, hits):
    current = []
    for hit in sorted(hits, key=lambda hit: hit.time):
        if current and hit.time - current[-1].time >= GAP:
            yield user, tuple(current)
            current = []
        current.append(hit)
    yield user, tuple(current)


print("sessions with a gap of", GAP)
hits = Flow().slice(LOG.splitlines(), shards=3).flat_map(parse)
print("hits:", hits.count(), "of", len(LOG.splitlines()), "lines")

found = hits.key_by(lambda hit: hit.user).group_by_key().flat_map(sessions)
for user, visits in found.sort(key=lambda user, visits: visits[0].time).collect():
    length = visits[-1].time - visits[0].time
    print(f"{visits[0].time:%d %b %H:%M} {user:<4}{len(visits)} pages {length}", visits[-1].page)

longest = found.map(lambda user, visits: visits[-1].time - visits[0].time).reduce(max).collect()
print("longest:", *longest)
days = hits.map(lambda hit: (hit.time.date(), 1)).reduce_by_key(int.__add__).collect()
print({day.isoformat(): count for day, count in days})
