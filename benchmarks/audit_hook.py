"""Cost of the audit hook that stays in a task after its script has reached the run.

    python benchmarks/audit_hook.py

Each figure is the best of several rounds of a fresh process, in nanoseconds of CPU time a call.
"""

from __future__ import annotations

import subprocess
import sys

ROUNDS = 5
CALLS = {
    "open and close a file": "open(__file__).close()",
    "id(x)": "id(calls)",
    "sys._getframe()": "sys._getframe()",
    "pickle.dumps of 100 rows": "pickle.dumps(rows)",
    "json.dumps of 100 rows": "json.dumps(rows)",
}
MEASURE = """
import json, os, pickle, sys, time, timeit
if HOOK:
    from glowpy.task.rerun_guard import RerunGuard, stop_watching, watch
    watch(RerunGuard("/nowhere", "/nowhere/runs", lambda reason: os._exit(1)))
    stop_watching()
__file__ = os.__file__
rows = [(f"word{n}", n, n / 3) for n in range(100)]
calls = CALLS
for call in calls:
    timer = timeit.Timer(call, globals=globals(), timer=time.process_time)
    number, _ = timer.autorange()
    print(min(timer.repeat(5, number)) / number * 1e9)
"""


def measure(hook: bool) -> list[float]:
    text = MEASURE.replace("HOOK", str(hook)).replace("CALLS", repr(list(CALLS.values())))
    out = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return [float(line) for line in out.stdout.split()]


def main() -> None:
    rounds = [(measure(False), measure(True)) for _ in range(ROUNDS)]
    print(f"{'':28}{'without':>10}{'with':>10}{'ratio':>8}")
    for place, name in enumerate(CALLS):
        without = min(each[0][place] for each in rounds)
        with_hook = min(each[1][place] for each in rounds)
        print(f"{name:28}{without:10.0f}{with_hook:10.0f}{with_hook / without:8.2f}")


if __name__ == "__main__":
    main()
