"""The only package that changes a Keras optimizer or replaces a training step."""
