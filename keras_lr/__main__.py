"""The command `keras-lr`, also `python -m keras_lr`."""

import sys

from keras_lr.core import optional


def main() -> None:
    """Run the command; say what to install where its library is missing."""
    try:
        optional.require("typer", "cli", "the command")
    except ImportError as error:
        print(f"keras-lr: {error}", file=sys.stderr)
        sys.exit(2)
    from keras_lr.command import app, forecasting

    assert forecasting  # which adds its command
    app.app()


if __name__ == "__main__":
    main()
