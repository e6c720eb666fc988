"""`parse` is the inverse of `repr` and runs no code in its input. Also: schedules as JSON."""

import json

import keras
import pytest
from support.catalogue import ROWS

import keras_lr as klr
from keras_lr.core.fields import Rate
from keras_lr.tools import parsing

pytestmark = pytest.mark.once


class Flat(klr.Schedule):
    """A schedule of a user."""

    learning_rate: Rate

    def rate(self, step):
        return step * 0.0 + self.learning_rate


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id if hasattr(row, "id") else None)
def test_every_repr_can_be_parsed(row):
    text = repr(row.schedule)
    if "tests" in text or len(text) > parsing.LONGEST:
        pytest.skip("a schedule that only the tests have, or a long table")
    parsed = set(parsing.classes()) | {name for name in dir(keras.optimizers.schedules) if name[0].isupper()}
    if not {type(part).__name__ for part in parts(row.schedule)} <= parsed:
        with pytest.raises(ValueError, match="there is no schedule|cannot be called"):
            klr.parse(text)
        return
    assert klr.parse(text) == row.schedule


def parts(schedule):
    found = [schedule]
    for value in schedule.arguments().values() if isinstance(schedule, klr.Schedule) else []:
        for item in value if isinstance(value, tuple) else [value]:
            if isinstance(item, keras.optimizers.schedules.LearningRateSchedule):
                found += parts(item)
    return found


def test_operators_and_methods_are_parsed():
    text = "(LinearDecay(0.1, 5) * 2 >> 0.5 * LinearDecay(0.1, 10)).clip(0.01).from_step(-3)"
    expected = (klr.LinearDecay(0.1, 5) * 2 >> 0.5 * klr.LinearDecay(0.1, 10)).clip(0.01).from_step(-3)
    assert klr.parse(text) == expected
    assert klr.parse("ExponentialDecay.from_endpoints(0.1, 0.01, 50)") == klr.ExponentialDecay.from_endpoints(
        0.1, 0.01, 50
    )
    assert klr.parse("CosineDecay(0.1, epochs(3))") == klr.CosineDecay(0.1, klr.epochs(3))


@pytest.mark.parametrize(
    "text",
    [
        "epochs.__globals__",
        "epochs(3).__class__",
        "fraction.from_endpoints(1)",
        "Constant.untuned(0.1)",
        "Constant(0.1).untuned.__func__",
        "Warmup.untuned.__func__.__globals__['keras'].Model()",
        "CosineDecay.from_config({})",
        "Constant(0.1).from_json('{}')",
        "Constant(0.1).as_callable()(3)",
        "Warmup.__subclasses__()",
        "(x := Constant(0.1))",
        "Constant(0.1) if 1 else Constant(0.2)",
        "Constant(0.1).values([10**9] * 10**9)",
        "[Constant(0.1)] * 1000000000",
        "Tabulated([0.1] * 1000000000)",
        "Constant('a' * 1000000000)",
        "Constant(1e999)",
        "Constant(1j)",
        "Constant(0.1)\nConstant(0.2)",
        "Constant(0.1); Constant(0.2)",
        "import os",
        "\ud800",
        "Constant(0.1) # \x00",
        "__import__('os').system('true')",
        "().__class__",
        "Constant.__init__.__globals__",
        "Constant(0.1).__class__(0.2)",
        "Constant(0.1).rate.__globals__['x']",
        "keras.utils.get_file('x')",
        "keras.optimizers.schedules.deserialize({})",
        "keras.optimizers.schedules.LearningRateSchedule()",
        "[Constant(0.1) for _ in range(9)]",
        "(lambda: Constant(0.1))()",
        "Constant(9**9**9)",
        "Constant(10 ** 100)",
        "Constant(*[0.1])",
        "Constant(**{'learning_rate': 0.1})",
        "Constant(True)",
        "Constant('0.1')",
        "Constant(1" + "0" * 5000 + ")",
        "Constant(",
        "0.1",
        "epochs(3)",
        "None",
        "Unknown(0.1)",
        "from_function(3, 4)",
        "Scheduled(0.1)",
        "StepDecay(0.1, -5)",
        "StepDecay(0.1)",
        "Constant(0.1).bind",
        "Constant(0.1).to_frame(10)",
        "Constant(0.1) * 'x'",
        "Constant(0.1) / 0",
        "Constant(b'x')",
        "Constant(...)",
        "f'{Constant}'",
        "a" * 30000,
        "Constant(" * 3000 + "0.1" + ")" * 3000,
        "-" * 5000 + "Constant(0.1)",
        "-" * 19_000 + "Constant(0.1)",  # Python's parser raises a `MemoryError` without a text
        "\x00",
        "",
    ],
    ids=lambda text: text[:40],
)
def test_other_sources_are_refused(text):
    with pytest.raises(ValueError, match=r"^(parse: `text` must be .+, got |[\w*/]+: )") as caught:
        klr.parse(text)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_custom_classes_are_parsed_if_they_are_given():
    own = klr.Warmup(Flat(0.1), 3)
    with pytest.raises(ValueError, match=r"there is no schedule 'Flat'"):
        klr.parse(repr(own))
    assert klr.parse(repr(own), custom_objects={"Flat": Flat}) == own
    for wrong in (3, {"Flat": 3}, {"Flat": dict}, {3: Flat}, ["Flat"]):
        with pytest.raises(
            TypeError, match=r"^parse: `custom_objects` must be a dict of schedule classes by name, or N"
        ):
            klr.parse("Constant(0.1)", custom_objects=wrong)


@pytest.mark.parametrize("text", [None, 3, b"Constant(0.1)", klr.Constant(0.1)], ids=repr)
def test_other_types_are_refused(text):
    with pytest.raises(TypeError, match=r"^parse: `text` must be a string, got "):
        klr.parse(text)
    with pytest.raises(
        TypeError, match=r"^from_json: `text` must be the JSON of a schedule, as `to_json` writes it, got "
    ):
        klr.Schedule.from_json(text)


def test_the_classes_are_those_that_are_exported():
    exported = {name: getattr(klr, name) for name in klr.__all__}
    schedules = {name: it for name, it in exported.items() if isinstance(it, type) and issubclass(it, klr.Schedule)}
    assert parsing.classes() == {name: it for name, it in schedules.items() if it is not klr.Schedule}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_schedule_is_the_same_after_json(row):
    text = row.schedule.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert klr.Schedule.from_json(text) == row.schedule
    assert type(row.schedule).from_json(text) == row.schedule


def test_units_and_tables_survive_json():
    table = klr.Tabulated([0.1] * 30_000, every=klr.epochs(1))
    schedule = klr.Warmup(table, klr.fraction(0.1)) >> klr.Constant(0.5)
    assert klr.Schedule.from_json(schedule.to_json()) == schedule


CONFIG = {"learning_rate": 0.1}
OURS = {"class_name": "Constant", "registered_name": "keras_lr>Constant", "config": CONFIG}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "3",
        "{}",
        "{",
        "\x00",
        "[" * 100_000,
        '{"a":' * 100_000,
        json.dumps(OURS).replace("0.1", "NaN"),
        json.dumps(OURS).replace("0.1", "Infinity"),
        json.dumps(OURS).replace("0.1", "1e999"),
        json.dumps(OURS).replace("0.1", "1" + "0" * 5000),
        json.dumps(OURS | {"config": {}}),
        json.dumps(OURS | {"config": CONFIG | {"other": 1}}),
        json.dumps(OURS | {"config": {"learning_rate": "0.1"}}),
        json.dumps(OURS | {"registered_name": "keras>Dense", "class_name": "Dense"}),
        json.dumps({"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": None}),
        json.dumps({"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}),
        json.dumps({"class_name": "__lambda__", "config": {"value": "4wEAAAA="}, "module": "builtins"}),
        json.dumps({"class_name": "LearningRateSchedule", "config": {}, "module": "keras.optimizers.schedules"}),
    ],
    ids=lambda text: text[:50],
)
def test_other_json_is_refused(text):
    with pytest.raises((TypeError, ValueError)) as caught:
        klr.Schedule.from_json(text)
    assert 10 < len(str(caught.value)) < 600


def test_json_of_another_class_is_refused():
    with pytest.raises(
        ValueError, match=r"^CosineDecay: `text` must be the JSON of a CosineDecay, got Constant\(0\.1\)$"
    ):
        klr.CosineDecay.from_json(klr.Constant(0.1).to_json())
    stock = keras.optimizers.schedules.CosineDecay(0.1, 10)
    text = json.dumps(keras.saving.serialize_keras_object(stock))
    with pytest.raises(ValueError, match=r"^Schedule: `text` must be the JSON of a Schedule, got "):
        klr.Schedule.from_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "CosineDecay(0.1, fraction(1.0) - 10000)",
        "CosineDecay(0.1, epochs(90) - epochs(5))",
        "CosineDecay(0.1, 2 * epochs(3) / 4)",
        "CosineDecay(0.1, 5 + fraction(1.0) - epochs(1))",
    ],
)
def test_sums_and_multiples_of_durations_are_parsed(text):
    schedule = eval(text, vars(klr))
    assert klr.parse(text) == schedule
    assert klr.parse(repr(schedule)) == schedule
    assert klr.Schedule.from_json(schedule.to_json()) == schedule
