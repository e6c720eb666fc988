"""Tools around a training: range test, comparison, difference, checks, tuners."""
