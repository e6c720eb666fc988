"""Libraries that come with an extra: without one, the error has the command that installs it."""

from __future__ import annotations

from importlib import import_module


def require(library: str, extra: str, what: str, package: str | None = None) -> None:
    """Import a library that a part of the package needs.

    Args:
        library: the module.
        extra: the extra of keras-lr that brings it.
        what: the part, as the error begins.
        package: the library's name on the package index, where it is another than the module's.

    Raises:
        ImportError: it is missing.
    """
    try:
        import_module(library)
    except ImportError as error:
        raise ImportError(f'{what} needs {package or library}: pip install "keras-lr[{extra}]"') from error
