"""mutmut, with tests that are collected once: a mutant is then a fork that begins with the likeliest of its tests.

python .ci/mutants_run.py run --max-children 2        as `python -m mutmut run`
MUTANT_SECONDS=8 …                                    no test begins later than that: a quick first round
MUTANT_LONGEST_TEST=10 …                              tests that take longer than that do not run (3 by default)
"""

from __future__ import annotations

import gc
import importlib
import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import Config
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.runners import harness
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd
from mutmut.workers import isolation

KILLERS = Path("killers.tsv")
"""Beside the mutants: function and test, a line for each that was killed."""

SECONDS = float(os.environ.get("MUTANT_SECONDS", "inf"))
"""Seconds after which no test of a mutant begins."""

LONGEST = float(os.environ.get("MUTANT_LONGEST_TEST", "3"))
"""Seconds of a test that is worth while: a mutant that survives has run all of its tests, or `SECONDS` of them."""


class Seen:
    """A plugin that sees whether a test has failed."""

    failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed


class Collected(harness.PytestRunner):
    """A runner of pytest that keeps the items which it has collected, for the forks."""

    def warm_up(self) -> None:
        with change_cwd("mutants"):
            arguments = ["--rootdir=.", "-q", "-s", *config().pytest_add_cli_args]
            made: Config = pytest.Config.fromdictargs({}, [*arguments, *config().pytest_add_cli_args_test_selection])
            made._do_configure()
            session: Any = pytest.Session.from_config(made)
            made.hook.pytest_sessionstart(session=session)
            from hypothesis import Phase, settings  # not before pytest, which wants to rewrite it

            # One failure is enough: to look for the shortest takes minutes.
            phases = (Phase.explicit, Phase.generate)
            settings.register_profile("mutants", settings.default, phases=phases, database=None)
            settings.load_profile("mutants")
            session.perform_collect()
            made._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one folder for all of them
            with suppress(ImportError):  # Keras imports it in `fit` on every backend, which takes seconds
                importlib.import_module("tensorflow")
            self.items = {item.nodeid: item for item in session.items}
            self.seen = Seen()
            made.pluginmanager.register(self.seen)
            made.pluginmanager.unregister(name="terminalreporter")
            gc.collect()
            gc.freeze()  # so that a fork's collections do not touch, and thus copy, what it shares

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        if mutant_name is None:  # before the server: the clean tests, and a failure that is forced
            return super().run_tests(mutant_name=mutant_name, tests=tests)
        seconds = {name: state().duration_by_test.get(name, 0.0) for name in tests}
        quick = [name for name in tests if seconds[name] < LONGEST]
        with change_cwd("mutants"):
            function = mutant_name.partition("__mutmut_")[0]
            killers = self.killers(function)
            ordered = sorted(quick, key=lambda name: (-killers[name], seconds[name], name))
            items = [self.items[name] for name in ordered]
            begin = time.monotonic()
            for item, following in zip(items, [*items[1:], None], strict=True):
                if time.monotonic() - begin > SECONDS:
                    break
                # The hook and not `runtestprotocol`, which leaves out the marks `filterwarnings`.
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.seen.failed:
                    with KILLERS.open("a", encoding="utf-8") as file:
                        file.write(f"{function}\t{item.nodeid}\n")
                    return 1
        return 0

    @staticmethod
    def killers(function: str) -> Counter[str]:
        """How often each test has killed a mutant of the same function: most likely it kills this one too."""
        lines = KILLERS.read_text(encoding="utf-8").splitlines() if KILLERS.exists() else []
        return Counter(test for name, _, test in (line.partition("\t") for line in lines) if name == function)


if __name__ == "__main__":
    isolation.PytestRunner = Collected  # type: ignore[misc]
    mutmut.cli()
