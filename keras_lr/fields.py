"""The former name of a part of `keras_lr.custom`. It will be removed."""

import warnings

from keras_lr.core.algebra import SCHEDULE, AnySchedule, Inner, Schedules  # noqa: F401
from keras_lr.core.fields import *  # noqa: F403
from keras_lr.core.fields import OrNone as Optional  # noqa: F401
from keras_lr.core.fields import Share as Fraction  # noqa: F401
from keras_lr.core.fields import String as Text  # noqa: F401
from keras_lr.core.fields import StringOrNone as Name  # noqa: F401

warnings.warn(f"{__name__} is `keras_lr.custom` now", DeprecationWarning, stacklevel=2)
