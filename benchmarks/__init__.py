"""What keras_lr costs and what it brings, measured beside its peers: ``python -m benchmarks --help``."""
