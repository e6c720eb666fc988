"""Settings of property tests. The suite has a few fixed examples, and the long mode draws new ones each time."""

import os

from hypothesis import HealthCheck, settings

from support.backend import BACKEND

LONG = os.environ.get("KERAS_LR_LONG") == "1"


def examples(quick, long, *suppressed, on_host=False):
    """The settings of a property test.

    `quick` and `long` are the numbers of examples in the suite and with `KERAS_LR_LONG=1`. `suppressed` are health
    checks to leave out, besides the one for slow tests. A test `on_host` depends on the backend only through Keras's
    schedules inside of others. It has all examples on torch, and a third of them on the other backends.
    """
    if on_host and BACKEND != "torch":
        quick //= 3
    return settings(
        max_examples=long if LONG else quick,
        derandomize=not LONG,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, *suppressed],
    )
