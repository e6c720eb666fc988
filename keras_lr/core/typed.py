"""What a type checker sees of a field that holds a number: any number may be given, and a float or an int is read.

`Rate` and its relatives in `keras_lr.core.fields` are made of these classes. Nothing is ever made of one. When the
package runs, the kind beside the class in the annotation is what checks an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, SupportsFloat, TypeVar

Given = TypeVar("Given", contravariant=True)
Read = TypeVar("Read", covariant=True)


class Field(Generic[Given, Read]):
    """A field whose argument is of one type and whose attribute of another."""

    def __get__(self: Any, record: object, owner: Any = None) -> Read:
        raise NotImplementedError

    def __set__(self: Any, record: object, value: Given) -> None:
        raise NotImplementedError


if TYPE_CHECKING:
    # Protocols with a base that is none. So a default such as 0.1 is of the type too, which no ordinary descriptor
    # allows: a type checker asks for the members of the protocol alone. mypy, pyright, ty and pyrefly all read it so,
    # and Python itself refuses such a class.

    class Indexed(Protocol):
        def __len__(self) -> int: ...

        def __getitem__(self, index: int, /) -> SupportsFloat: ...

    class Number(Field[SupportsFloat, Read], SupportsFloat, Protocol[Read]):  # type: ignore[misc]
        """A number of Python, of NumPy or in a tensor: 100, 100.0, ``np.int64(100)``."""

    class Numbers(Field[Indexed, Read], Indexed, Protocol[Read]):  # type: ignore[misc]
        """A sequence of numbers, or an array of them."""

else:

    class Number(Field[SupportsFloat, Read]):
        pass

    class Numbers(Field[Any, Read]):
        pass
