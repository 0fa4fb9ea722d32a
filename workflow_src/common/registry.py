"""Registries: dictionaries from a name, as a config gives it, to the place of what it stands for.

A place is text, "module:attribute", so that a config can be checked against the names, and the code
of a member be hashed, without loading any of them.
"""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import Any

from workflow_src.common.errors import InputError


def place_of(registry: Mapping[str, str], name: str, what: str) -> str:
    """The place of a member, "module:attribute".

    Args:
        registry: places by name.
        name: of the member.
        what: the registry holds, such as "a segmenter", for the message.

    Raises:
        InputError: if there is no member of this name.
    """
    if name not in registry:
        raise InputError(f"{name!r} is not {what}; allowed: {', '.join(registry)}")
    return registry[name]


def member(registry: Mapping[str, str], name: str, what: str) -> Any:
    """Import a member of a registry; the arguments are those of `place_of`.

    Raises:
        InputError: if there is no member of this name.
    """
    module, _, attribute = place_of(registry, name, what).partition(":")
    return getattr(import_module(module), attribute)


def build(registry: Mapping[str, str], name: str, what: str, *given: Any, **options: Any) -> Any:
    """Build a member with what every member is given, and with options of its own.

    Args:
        registry: places by name.
        name: of the member.
        what: the registry holds, such as "a segmenter".
        given: the first arguments, the same for all members.
        options: the others, from the config.

    Raises:
        InputError: for another name, or for options that the member does not have or refuses.
    """
    build_member = member(registry, name, what)
    known = list(signature(build_member).parameters)[len(given) :]
    for option in options:
        if option not in known:
            raise InputError(
                f"{name} has no option {option!r}; allowed: {', '.join(known) or 'none'}"
            )
    try:
        return build_member(*given, **options)
    except (TypeError, ValueError, ArithmeticError, IndexError) as error:
        raise InputError(f"{name} cannot be built with {options}: {error}") from error
