"""A family: its members by name, each in a file of its own that is imported when it is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

Member = TypeVar("Member")


class Family(Mapping[str, Member]):
    """The members of a package by their names. To know the names imports none: most members bring torch with them.

    Args:
        package: The package that they are in.
        homes: The name of a member → where it is in that package: ``file:attribute``, or ``file`` for all of it.

    Example:
        >>> Family("srnn.methods", {"newton": "newton:Newton"})["newton"]
        <class 'srnn.methods.newton.Newton'>
    """

    def __init__(self, package: str, homes: Mapping[str, str]) -> None:
        self._package, self._homes = package, homes

    def __getitem__(self, name: str) -> Member:
        file, _, attribute = self._homes[name].partition(":")
        module = importlib.import_module(f"{self._package}.{file}")
        return cast(Member, getattr(module, attribute) if attribute else module)

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)
