"""Statistics of batch normalization on two virtual devices. It prints them as JSON.

python batch_norm.py HOW

mirrored        TensorFlow's MirroredStrategy, with layers that are synchronized and with others
data-parallel   keras.distribution.DataParallel (JAX)
"""

import json
import sys

import distribution

how = sys.argv[1]
distribution.start(how, 0, 0)

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_lr as klr  # noqa: E402

x = np.random.default_rng(0).normal(3.0, 2.0, (24, 2)).astype("float32")
with distribution.scope(how):
    options = [{}, {"synchronized": True}] if how == "mirrored" else [{}]
    norms = [keras.layers.BatchNormalization(scale=False, center=False, **each) for each in options]
    inputs = keras.Input((2,))
    parts = [norm(inputs) for norm in norms]
    joined = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    model = keras.Model(inputs, keras.layers.Dense(1)(joined))
    model.compile(keras.optimizers.SGD(0.01), "mse")

model.fit(x, x[:, :1], batch_size=8, shuffle=False, verbose=0, callbacks=[klr.BatchNormMomentum(0.5)])
moving = [np.asarray(keras.ops.convert_to_numpy(norm.moving_mean)).tolist() for norm in norms]
count = klr.refresh_batch_norm(model, x, batch_size=8)
found = [
    [np.asarray(keras.ops.convert_to_numpy(it)).tolist() for it in (norm.moving_mean, norm.moving_variance)]
    for norm in norms
]
model.fit(x, x[:, :1], batch_size=8, shuffle=False, verbose=0)
print("RESULT" + json.dumps({"moving": moving, "count": count, "refreshed": found, "x": x.tolist()}))
