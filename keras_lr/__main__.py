"""The command `keras-lr`, also `python -m keras_lr`."""

import sys

from keras_lr.core import optional


def main() -> None:
    """Run the command. If its library is missing, print what to install."""
    try:
        optional.require("typer", "cli", "the command")
    except ImportError as error:
        print(f"keras-lr: {error}", file=sys.stderr)
        sys.exit(2)
    from keras_lr.command import app, forecasting

    assert forecasting  # its import adds a command
    app.app()


if __name__ == "__main__":
    main()
