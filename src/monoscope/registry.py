"""Names that reach a file or a command line, and the classes they stand for."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from monoscope.errors import UnknownName, nearest

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """A closed set of named classes of one kind, for instance the sparsifiers.

    Registering the same qualified class again replaces it (notebooks do that); another class under a taken
    name is an error.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[C], C]:
        """Decorator that gives a class its public name, also stored as its ``name`` attribute."""

        def add(cls: C) -> C:
            taken = self._classes.get(name)
            if taken is not None and taken.__qualname__ != cls.__qualname__:
                raise ValueError(f"{self.kind} {name!r} is already {taken.__qualname__}")
            self._classes[name] = cls  # pyright: ignore[reportArgumentType]
            cls.name = name  # pyright: ignore[reportAttributeAccessIssue]
            return cls

        return add

    def __getitem__(self, name: str) -> type[T]:
        """The class of that name.

        Raises:
            UnknownName: there is none; the hint lists the nearest.
        """
        if name not in self._classes:
            raise UnknownName(f"{name!r} is no {self.kind}", nearest(name, self._classes))
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._classes))
