"""Registries: dictionaries from a name, as a config gives it, to the place of what it stands for.

A place is text, "module:attribute", so that a config can be checked, and the code of a member be
hashed, without loading any of them.
"""

import ast
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from workflow_src.common.code_hash import file_of
from workflow_src.common.errors import InputError

NO_ARGUMENTS = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


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


def require_options(
    registry: Mapping[str, str], name: str, what: str, options: Mapping[str, Any]
) -> None:
    """See that a member has the options it is given, from its source: nothing is loaded.

    Raises:
        InputError: for another name, or an option that the member does not have.
    """
    known = options_of(place_of(registry, name, what))
    for option in options:
        if option not in known:
            raise InputError(
                f"{name} has no option {option!r}; allowed: {', '.join(known) or 'none'}"
            )


def options_of(place: str) -> list[str]:
    """What a member can be given by name: parameters with a default, or that need their name."""
    module, _, attribute = place.partition(":")
    arguments = _constructor(module, attribute)
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = positional[len(positional) - len(arguments.defaults) :]
    return [argument.arg for argument in (*optional, *arguments.kwonlyargs)]


def _constructor(module: str, name: str) -> ast.arguments:
    """The arguments of a class's own or inherited `__init__`; none if no class here has one."""
    file = file_of(module)
    for node in ast.parse(file.read_text()).body if file else []:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    return part.args
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            return _constructor(module, bases[0]) if bases else NO_ARGUMENTS
        if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            return _constructor(node.module or "", name)
    return NO_ARGUMENTS


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
    require_options(registry, name, what, options)
    try:
        return member(registry, name, what)(*given, **options)
    except (TypeError, ValueError, ArithmeticError, IndexError) as error:
        raise InputError(f"{name} cannot be built with {options}: {error}") from error
