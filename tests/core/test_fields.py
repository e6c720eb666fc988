"""Arguments that are one of a few strings, which a type checker checks too."""

from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest

import keras_lr as klr
from keras_lr.core.fields import OneOf, Share, kind_of
from keras_lr.tools.forecast.laws import LAWS, LawName
from keras_lr.tools.range_test.suggestions import RULES, Rule

pytestmark = pytest.mark.once


def test_a_literal_is_one_of_its_strings():
    kind = kind_of(Literal["b", "a"])
    assert kind == OneOf(("b", "a"))
    assert kind_of(Literal["b", "a", "c"]) == OneOf(("b", "a", "c"))
    assert kind_of(Annotated[str, "text"]) is kind_of(str) is None
    assert kind_of(Share).allowed == "a number in [0, 1]"


def test_a_schedule_of_your_own_with_a_literal():
    class Turned(klr.Schedule):
        """A line, or a line upside down."""

        direction: Literal["up", "down"] = "up"

        def rate(self, step):
            return 0.1 + 0 * step

    assert repr(Turned("down")) == "Turned(direction='down')"
    with pytest.raises(ValueError, match="^Turned: `direction` must be one of 'up', 'down', got 'left'"):
        Turned("left")


def test_the_names_for_the_type_checker_exist():
    assert list(get_args(LawName)) == list(LAWS)
    assert list(get_args(Rule)) == list(RULES)


def test_arguments_that_a_type_checker_accepts_are_accepted():
    """`test_packaging.py` gives `typed_user.py` to mypy. Here its lines before the class are executed."""
    text = (Path(__file__).parents[1] / "data" / "typed_user.py").read_text()
    schedules, _ = text.split("\nclass ")
    names = {"__name__": "typed_user"}
    exec(compile(schedules, "typed_user.py", "exec"), names)
    assert names["of_numpy"] == klr.CosineDecay(0.1, 900, alpha=0.01, warmup_target=0.2)
    assert names["milestones"] == klr.MultiStepDecay(0.1, [30, 60, 90])
