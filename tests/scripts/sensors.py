"""A report on measurements: sums, means, quantiles, the largest; some are NaN or infinite."""

import math
from functools import partial
from operator import itemgetter
from statistics import median

from glowpy import Flow

NAN = float("nan")


def measurements(sensors=4, days=25):
    """Deterministic rows like those of a file, with gaps."""
    for day in range(days):
        for sensor in range(sensors):
            value = round(20 + 5 * math.sin(day / 3) + sensor * 0.1, 3)
            if (day * sensors + sensor) % 17 == 5:
                value = NAN
            if (day, sensor) == (11, 2):
                value = math.inf
            yield f"s{sensor}", day, value


def add(a, b):
    return tuple(x + y for x, y in zip(a, b))


def outside(low, high, row):
    return not math.isnan(row[2]) and not low <= row[2] <= high


rows = Flow().source(measurements, 3)
valid = rows.filter(lambda sensor, day, value: math.isfinite(value))

sums = valid.map(lambda sensor, day, value: (sensor, (value, value**2, 1))).reduce_by_key(add)
for sensor, (total, squares, count) in sums.collect():
    mean = total / count
    deviation = math.sqrt(squares / count - mean**2)
    print(f"{sensor} n={count} mean={mean:.3f} deviation={deviation:.3f}")

medians = valid.map(lambda s, day, value: (s, value)).group_by_key().map_values(median)
print("medians:", dict(medians.sort().collect()))
print("largest:", rows.top(4, key=itemgetter(2)))
print("smallest:", rows.sort(key=itemgetter(2)).take(2), "of", rows.count())
print("last:", rows.sort(key=itemgetter(2), reverse=True, shards=3).collect()[-1])
print("outside:", rows.filter(partial(outside, 15.2, 25.2)).collect())
values = valid.map(itemgetter(2)).distinct().collect()
print(len(values), "different values, exact sum:", math.fsum(values))
