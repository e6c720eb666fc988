"""The number of examples of a property test: a few fixed ones in the suite, new ones each time in the long mode."""

import os

from hypothesis import HealthCheck, settings

LONG = os.environ.get("KERAS_LR_LONG") == "1"


def examples(quick, long, *suppressed):
    """The settings of a property test.

    `quick` and `long` are the examples in the suite and with `KERAS_LR_LONG=1`. `suppressed` are health checks that are
    left out beside the one for slow tests.
    """
    return settings(
        max_examples=long if LONG else quick,
        derandomize=not LONG,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, *suppressed],
    )
