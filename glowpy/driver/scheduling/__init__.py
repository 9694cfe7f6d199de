"""The scheduler of a run as pure machines: order and place of work, and the effect of losses."""
