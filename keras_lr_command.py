"""The command `keras-lr`. Its help, `list` and `show` answer without Keras, whose import loads a backend for seconds.

They need only the formulas of schedules, on the host. So this module, which stands outside the package, imports the
modules of those alone, with a stand-in for Keras in this process. What turns out to need Keras after all is done by
`python -m keras_lr`, which has everything.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import Any

MODULES = ("combinators", "cyclical", "decay", "installed", "recipes", "shaped", "stepwise", "warmup")
"""Where the schedules are."""


class KerasIsNeeded(BaseException):
    """Something asks for a part of Keras that the stand-in does not have. Nothing but `main` may catch it."""


class StandIn(ModuleType):
    """A module that has what is put into it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system looks for some of these
            raise AttributeError(name)
        raise KerasIsNeeded(f"{self.__name__}.{name}")


class Nothing:
    """A class of Keras of which there is no object here."""


class LearningRateSchedule:
    """The base class of schedules."""


def keras() -> dict[str, ModuleType]:
    """What modules of schedules ask of Keras when they are imported or find out what an argument is."""
    names = ("keras", "keras.ops", "keras.saving", "keras.callbacks", "keras.optimizers", "keras.src")
    made = {name: StandIn(name) for name in (*names, "keras.optimizers.schedules", "keras.src.backend")}
    for name, module in made.items():
        module.__path__ = []
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(made[parent], own, module)
    top: Any = made["keras"]
    top.__version__ = metadata.version("keras")
    top.Variable = top.KerasTensor = top.Model = Nothing
    top.callbacks.Callback = top.optimizers.Optimizer = top.optimizers.OptimizerMap = Nothing
    top.optimizers.schedules.LearningRateSchedule = LearningRateSchedule
    top.saving.register_keras_serializable = lambda package, name=None: lambda made: made
    top.ops.is_tensor = lambda value: False
    return dict(made)


def is_light(words: list[str]) -> bool:
    """Whether the words of a command line may do without Keras."""
    wants_help = not words or "--help" in words
    return wants_help or (words[0] in ("list", "show") and not any("keras" in word for word in words))


def package() -> ModuleType:
    """The package without what is in its `__init__.py`, so that its modules can be imported one by one."""
    spec = find_spec("keras_lr")
    assert spec is not None
    found = ModuleType("keras_lr")
    found.__path__ = list(spec.submodule_search_locations or ())
    found.__spec__ = spec
    return found


def main() -> None:
    """Run the command."""
    if is_light(sys.argv[1:]) and "keras" not in sys.modules and find_spec("typer") is not None:
        sys.modules.update(keras(), keras_lr=package())
        try:
            for name in MODULES:
                import_module(f"keras_lr.schedules.{name}")
            import_module("keras_lr.__main__").main()
        except KerasIsNeeded:
            sys.exit(subprocess.call([sys.executable, "-m", "keras_lr", *sys.argv[1:]]))
    else:
        import_module("keras_lr.__main__").main()


if __name__ == "__main__":
    main()
