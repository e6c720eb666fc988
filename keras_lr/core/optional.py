"""Libraries of the extras. If one is missing, the error contains the command that installs it."""

from __future__ import annotations

from importlib import import_module


def require(library: str, extra: str, what: str, package: str | None = None) -> None:
    """Import a library that a part of the package needs.

    Args:
        library: the name of the module.
        extra: the extra of keras-lr that installs it.
        what: the part of the package, with which the error begins.
        package: the library's name on the package index, if it differs from the module's name.

    Raises:
        ImportError: the library is missing.
    """
    try:
        import_module(library)
    except ImportError as error:
        raise ImportError(f'{what} needs {package or library}: pip install "keras-lr[{extra}]"') from error
