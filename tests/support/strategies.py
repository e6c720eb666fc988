"""Strategies that draw randomly composed schedules, any class in any other."""

from __future__ import annotations

from hypothesis import strategies as st

from support.joints import JOINTS, cooldown
from support.leaves import LEAVES, external
from support.pen import Made, Pen, Training


def composed(pen: Pen, depth: int, ends: bool = False, inside: bool = False) -> Made:
    """A schedule of at most this depth; with an end if asked for."""
    made = drawn(pen, depth, inside)
    # A schedule without an end can be given one.
    return cooldown(pen, lambda: made) if ends and made.length is None else made


def drawn(pen: Pen, depth: int, inside: bool) -> Made:
    if depth > 1 and (not inside or pen.whole(0, 3)):
        joint = pen.draw(st.sampled_from(list(JOINTS.values())))
        return joint(pen, lambda ends=False: composed(pen, depth - 1, ends, inside=True))
    if inside and pen.whole(0, 6) == 0:
        return external(pen)
    return pen.draw(st.sampled_from(list(LEAVES.values())))(pen)


TRAININGS = st.builds(Training, st.integers(1, 50), st.integers(1, 20))


@st.composite
def schedules(draw, depth=5):
    """A schedule of a depth from 1 to `depth`, with its properties."""
    return composed(Pen(draw, draw(TRAININGS)), draw(st.integers(1, depth)))
