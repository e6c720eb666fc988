"""Invariants of `keras-lr show` and `keras-lr inspect` for any input, for the fuzzers and the test suite.

`check_show` and `check_inspect` return the outcome, "accepted" or "refused". If an invariant is broken, they raise
`AssertionError`, or the error that escaped.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import random
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import typer

import keras_lr as klr
from keras_lr.command import app as cli
from keras_lr.command import inspection
from keras_lr.tools import parsing

SECONDS = float(os.environ.get("KERAS_LR_FUZZ_SECONDS", "10"))
"""A single input may take this long, on a slow machine and instrumented."""

FORBIDDEN = ("exec", "import", "open", "os.", "subprocess.", "socket.", "shutil.", "marshal.", "pickle.", "ctypes.")
"""Audit events (PEP 578) that no text of a schedule and no file may cause."""

_watching: list[set[str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event.startswith(FORBIDDEN):
        _watching[-1].add(f"{event} {str(arguments[0])[:200] if arguments else ''}")


"".encode("cp437")  # zipfile reads names in this encoding, and Python imports a codec when it is first used
sys.addaudithook(_hook)


@contextlib.contextmanager
def watched(allowed: Callable[[str], bool] = lambda event: False) -> Iterator[None]:
    """A context in which nothing may be run, imported or opened. It must end within `SECONDS`."""
    seen: set[str] = set()
    begun = time.monotonic()
    _watching.append(seen)
    try:
        yield
    finally:
        _watching.pop()
    wrong = sorted(event for event in seen if not allowed(event))
    assert not wrong, wrong
    assert time.monotonic() - begun < SECONDS, f"{time.monotonic() - begun:.1f} seconds"


class Attributes:
    """Records the attributes that `source` reads by a name from the text."""

    allowed = frozenset({*parsing.METHODS, *(name for name in dir(keras.optimizers.schedules) if name[0].isupper())})

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __call__(self, owner: Any, name: str, *default: Any) -> Any:
        if owner is keras.optimizers.schedules and not hasattr(owner, name):
            return default[0]
        if owner is not klr:
            self.names.add(name)
        return getattr(owner, name, *default)


def check_show(text: str) -> str:
    """The parser may only raise `ValueError`, and the command only exit with 2. A parsed schedule survives `repr`."""
    attributes = Attributes()
    vars(parsing)["getattr"] = attributes
    try:
        with watched():
            schedule = parsing.parse(text)
    except ValueError as error:
        schedule = None
        _is_sentence(str(error))
    finally:
        del vars(parsing)["getattr"]
        assert attributes.names <= attributes.allowed, attributes.names - attributes.allowed
    if isinstance(schedule, klr.Schedule) and len(repr(schedule)) <= parsing.LONGEST:
        again = parsing.parse(repr(schedule))
        assert again == schedule, (schedule, again)
        assert klr.Schedule.__hash__(again) == hash(schedule)
    done = command(cli.show, text, steps=None, epochs=3, steps_per_epoch=5, csv=False, plot=None)
    assert done == "refused" if schedule is None else done in ("accepted", "refused"), done
    return done


def check_inspect(content: bytes, folder: Path) -> str:
    """The reader may only raise `ValueError`, and the command only exit with 2. Only the named file is opened."""
    path = folder / "model.keras"
    path.write_bytes(content)
    try:
        with watched(lambda event: event == f"open {path}"):
            inspection.inspect_file(path)
    except ValueError as error:
        _is_sentence(str(error))
    return command(cli.inspect, path, ahead=None)


def _is_sentence(text: str) -> None:
    assert len(text.strip()) > 10, text
    assert "\n" not in text, text


def command(function: Callable[..., None], *arguments: Any, **options: Any) -> str:
    """Run a command. Returns "accepted", or "refused" if it exits with 2 and one line on stderr."""
    out, err = io.StringIO(), io.StringIO()
    begun = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            function(*arguments, **options)
            code = 0
        except typer.Exit as ended:
            code = ended.exit_code
    assert time.monotonic() - begun < SECONDS, f"{time.monotonic() - begun:.1f} seconds"
    assert "\x1b" not in out.getvalue() + err.getvalue().replace("\x1b[31m", "").replace("\x1b[0m", "")
    if code == 0:
        assert out.getvalue().strip()
        return "accepted"
    assert code == 2, code
    lines = err.getvalue().strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("keras-lr: "), lines
    return "refused"


# Seeds.


def texts() -> list[str]:
    """Texts that are schedules, and some that try to do more."""
    found = [
        line
        for name in sorted(parsing.classes())
        if (line := repr(cli.example_of(parsing.classes()[name])[0])) != "None"
    ]
    return [
        *found,
        "(LinearDecay(0.1, 5) * 2 >> 0.5 * LinearDecay(0.1, 10)).clip(0.01, 0.4).from_step(-3)",
        "Constant(0.4).cooldown(100, 20, 0.0, 'sqrt') + 0.1",
        "ExponentialDecay.from_endpoints(0.1, 0.01, 50) / 3",
        "CosineDecay(0.1, epochs(3)).bind(steps_per_epoch=5, epochs=4)",
        "OneCycle(0.1, 100).momentum(0.5, 0.9)",
        "keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5, staircase=True)",
        "Warmup(keras.optimizers.schedules.PiecewiseConstantDecay([3, 6], [0.3, 0.2, 0.1]), 5)",
        "LinearDecay(0.1, fraction(0.5))",
        "Repeat(PerUpdate(Noise(Constant(0.1), 0.5, seed=3), 2), 7, factor=0.5)",
        "__import__('os').system('true')",
        "Constant.__init__.__globals__['x']",
        "[Constant(c) for c in (1,)]",
        "f'{Constant}'",
        "Constant(1e309) + Constant(-0.0) * 0x7fffffff",
        "Constant(\ud800)",
    ]


def text_of(data: bytes) -> str:
    """The text for a fuzzer's bytes: the bytes themselves, or a text generated from them."""
    return written(data[1:]) if data[:1] == b"\x01" else data.decode("utf-8", "surrogateescape")


NUMBERS = (
    "0",
    "1",
    "5",
    "100",
    "2147483647",
    "2147483648",
    "-1",
    "0.1",
    "0.5",
    "1.0",
    "1e-320",
    "1e38",
    "1e308",
    "1e999",
)
OTHERS = (
    "None",
    "True",
    "''",
    "'linear'",
    "'cosine'",
    "'exponential'",
    "'exp_range'",
    "[]",
    "epochs(2)",
    "fraction(0.5)",
)


def written(choices: bytes) -> str:
    """A schedule in Python from a grammar, mostly with arguments of the right kinds."""
    left = list(choices)

    def one(of: Any) -> Any:
        return of[left.pop() % len(of)] if left else of[0]

    def argument(depth: int) -> str:
        kind = one(range(8))
        if kind >= 6 and depth:
            return schedule(depth - 1)
        if kind == 5:
            return "[" + ", ".join(argument(0) for _ in range(one(range(5)))) + "]"
        return str(one(OTHERS if kind == 4 else NUMBERS))

    def schedule(depth: int) -> str:
        kind = one(range(8))
        if kind == 7 and depth:
            return f"({schedule(depth - 1)} {one(('*', '+', '/', '>>'))} {one((argument, schedule))(depth - 1)})"
        if kind == 6 and depth:
            arguments = ", ".join(argument(0) for _ in range(one(range(4))))
            return f"{schedule(depth - 1)}.{one(parsing.METHODS)}({arguments})"
        made = one(sorted(parsing.classes().items()))
        parts = []
        for name, parameter in inspect.signature(made[1].__init__).parameters.items():
            if name != "self" and (parameter.default is parameter.empty or one(range(3)) == 2):
                parts.append(f"{name}={schedule(depth - 1) if depth and name == 'schedule' else argument(depth)}")
        return f"{made[0]}({', '.join(parts)})"

    return schedule(4)


def configs() -> list[Any]:
    """Valid and invalid learning rates in the form of a `.keras` file."""
    schedules = [parsing.parse(text) for text in texts()[: len(parsing.classes()) - 1]]
    return [
        *(keras.saving.serialize_keras_object(schedule) for schedule in schedules),
        0.25,
        10**400,
        None,
        {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}, "module": "builtins"},
        {"class_name": "system", "module": "os", "config": {"command": "true"}, "registered_name": None},
        {
            "class_name": "deserialize",
            "module": "keras.optimizers.schedules",
            "config": {"config": []},
            "registered_name": None,
        },
    ]


def archive(config: bytes = b"", weights: bytes = b"", metadata: bytes = b'{"keras_version": "3.15.1"}') -> bytes:
    """A `.keras` file of three parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("metadata.json", metadata)
        file.writestr("config.json", config or with_rate(0.1))
        if weights:
            file.writestr("model.weights.h5", weights)
    return buffer.getvalue()


def with_rate(rate: Any) -> bytes:
    """The `config.json` of a model that was compiled with a rate."""
    return with_rate_text(json.dumps(rate).encode())


def with_rate_text(rate: bytes) -> bytes:
    parts = json.dumps({"compile_config": {"optimizer": {"class_name": "SGD", "config": {"learning_rate": "@"}}}})
    return parts.encode().replace(b'"@"', rate)


def state(text: bytes = b'{"version": 1, "entries": {}}', step: Any = 7) -> bytes:
    """An HDF5 file with a step counter and the state of callbacks."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["optimizer/vars/0"] = np.int64(step)
        file["keras_lr_state/vars/json"] = np.frombuffer(text or b"{}", np.uint8)
    return buffer.getvalue()


FORMS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: data,
    lambda data: archive(config=data),
    lambda data: archive(config=with_rate_text(data)),
    lambda data: archive(weights=data),
    lambda data: archive(weights=state(data)),
    lambda data: archive(metadata=data),
)
"""A fuzzer's bytes are a whole file, or one part of a file that is otherwise valid."""


def files() -> list[tuple[int, bytes]]:
    """Seeds for `check_inspect`: a form, and the bytes for it."""
    rates = [json.dumps(rate).encode() for rate in configs()]
    note = json.dumps({"version": 1, "entries": {"ReduceOnPlateau/loss": {"best": 0.5, "wait": 1}}}).encode()
    whole = archive(weights=state(note))
    found = [(0, whole), (1, with_rate(0.1)), (3, state(note)), (4, note), (5, b'{"keras_version": "3.15.1"}')]
    return found + [(2, rate) for rate in rates]


def form(data: bytes) -> bytes:
    """The file for a fuzzer's bytes. The first byte determines the form."""
    return FORMS[data[0] % len(FORMS)](data[1:]) if data else b""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The data with a few random changes, as fuzzers make them."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(4)
        if kind == 0 and changed:
            changed[at % len(changed)] = chance.randrange(256)
        elif kind == 1:
            del changed[at : at + chance.randint(1, 8)]
        elif kind == 2:
            changed[at:at] = chance.choice(
                (b"(", b")", b"[", b"-", b"1e999", b"0x", b".", b"\x00", b"{", b'"', b"9" * 30)
            )
        else:
            end = at + chance.randint(1, 30)
            changed[at:at] = changed[at:end] * chance.randint(1, 3)
    return bytes(changed)
