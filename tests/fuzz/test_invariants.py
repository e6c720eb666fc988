"""The checks of the fuzzers on a few hundred inputs, without atheris."""

import random

import invariants
import pytest

CHANCE = 20_260_101


def test_the_seeds_are_valid_schedules():
    assert (
        sum(invariants.check_show(text) == "accepted" for text in invariants.texts())
        >= len(invariants.parsing.classes()) - 1
    )


@pytest.mark.parametrize("part", range(4))
def test_invariants_hold_for_mutated_texts(part):
    chance = random.Random(CHANCE + part)
    texts = [text.encode("utf-8", "surrogatepass") for text in invariants.texts()]
    for _ in range(60):
        invariants.check_show(invariants.text_of(invariants.mutated(chance.choice(texts), chance)))


def test_invariants_hold_for_texts_from_the_grammar():
    chance = random.Random(CHANCE)
    done = [invariants.check_show(invariants.written(chance.randbytes(80))) for _ in range(240)]
    assert {"accepted", "refused"} == set(done)


@pytest.mark.parametrize("part", range(4))
def test_invariants_hold_for_mutated_files(part, tmp_path):
    chance = random.Random(CHANCE + part)
    files = invariants.files()
    done = []
    for _ in range(60):
        form, data = chance.choice(files)
        done.append(invariants.check_inspect(invariants.FORMS[form](invariants.mutated(data, chance)), tmp_path))
    assert {"accepted", "refused"} == set(done)


def test_the_watch_detects_forbidden_events(tmp_path):
    """A watch that sees nothing would let every parser pass."""
    with pytest.raises(AssertionError, match="open"), invariants.watched():
        (tmp_path / "file").write_text("x")
    with pytest.raises(AssertionError, match="exec"), invariants.watched():
        exec("1")
