"""The former name of a part of `keras_lr.custom`. It will be removed."""

import warnings

from keras_lr.core.curves import *  # noqa: F403

warnings.warn(f"{__name__} is `keras_lr.custom` now", DeprecationWarning, stacklevel=2)
