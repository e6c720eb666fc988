"""Reads TensorBoard's event files."""


def scalars(folder, part="learning_rate"):
    """The steps and values of each tag that has `part` in its name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        if part in tag:
            points = events.Tensors(tag)
            found[tag] = [point.step for point in points], [float(make_ndarray(point.tensor_proto)) for point in points]
    return found
