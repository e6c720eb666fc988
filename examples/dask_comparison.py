"""Compare schedules on a Dask cluster: here two local processes, on a real cluster `Client("scheduler:8786")`.

Needs `pip install "keras-lr[distributed]"`.
"""

import keras
from dask.distributed import Client, LocalCluster
from sklearn.datasets import load_digits

import keras_lr as klr


def build_model(rate):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")])
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def fit(model, callbacks):
    # Each worker loads the data itself, so they need not be sent.
    x, y = load_digits(return_X_y=True)
    x = x.astype("float32") / 16
    held_out = x[1400:], y[1400:]
    model.fit(x[:1400], y[:1400], batch_size=32, epochs=4, validation_data=held_out, callbacks=callbacks, verbose=0)


if __name__ == "__main__":  # the processes of the cluster import this file
    schedules = {
        "constant": 0.1,
        "cosine": klr.CosineDecay(0.1, klr.fraction(1.0)),
        "one-cycle": klr.OneCycle(0.1, klr.fraction(1.0)),
    }
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        result = klr.compare(
            build_model, schedules, fit, seeds=2, rates=[0.03, 0.1], executor=client.get_executor(retries=3)
        )
    print(result.summary().to_string())
    result.plot().figure.savefig("comparison.png")
