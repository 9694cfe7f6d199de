"""Seeds of a run: from -glow.seed, else from the state of the driver's own generators.

So tasks of a script that seeds its generators draw the same numbers at each start. Reading the
state does not change it.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from glowpy.planner.run_description import RANDOM_MODULES, Seeds

_BYTES = 8


def seeds_of(given: int) -> Seeds:
    """Return the seeds of a run.

    Args:
        given: by the user; -1: none.
    """
    loaded = tuple(name for name in RANDOM_MODULES if name in sys.modules)
    if given >= 0:
        # numpy loads its generators at first use, perhaps in a task
        more = RANDOM_MODULES if "numpy" in sys.modules else ("random",)
        return Seeds(given, given, more)
    random, numpy_random = map(sys.modules.get, RANDOM_MODULES)
    return Seeds(_of_random(random), _of_numpy(numpy_random), loaded)


def _of_random(random: Any) -> int:
    if random is None:
        return _entropy()
    # The hash of a tuple of whole numbers is the same in every process.
    return hash(random.getstate()[1]) % (1 << 8 * _BYTES)


def _of_numpy(random: Any) -> int:
    if random is None:
        return _entropy()
    import pickle
    from hashlib import blake2b  # numpy.random has loaded it

    state = pickle.dumps(random.get_state(legacy=False), protocol=5)
    return int.from_bytes(blake2b(state, digest_size=_BYTES).digest(), "little")


def _entropy() -> int:
    return int.from_bytes(os.urandom(_BYTES), "little")
