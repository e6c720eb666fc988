"""The command `keras-lr`, also `python -m keras_lr`."""

import sys


def main() -> None:
    """Run the command; say what to install where its libraries are missing."""
    try:
        from keras_lr.cli import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print('keras-lr needs typer and rich: pip install "keras-lr[cli]"', file=sys.stderr)
        sys.exit(2)
    app()


if __name__ == "__main__":
    main()
