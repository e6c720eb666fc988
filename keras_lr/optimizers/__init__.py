"""The one place that touches a Keras optimizer or exchanges a training step."""
