"""The former place of what `keras_lr.custom` has now; it will be removed."""

import warnings

from keras_lr.core.curves import *  # noqa: F403

warnings.warn(f"{__name__} is `keras_lr.custom` now", DeprecationWarning, stacklevel=2)
