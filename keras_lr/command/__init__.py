"""The command `keras-lr`."""
