"""What `from keras_lr import *` gives, for text that is executed."""

import keras_lr

PUBLIC = {name: getattr(keras_lr, name) for name in keras_lr.__all__}
"""All public names, those too that are imported when they are first used, and which `vars(keras_lr)` may lack."""
