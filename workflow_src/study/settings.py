"""What every settings model shares: how strict it is, and the types of its fields.

A setting is defined once, as a field of one of these models: its name, type, bounds, default and,
in the text below it, its meaning. The checks of a configuration, the `--help` of the steps and
config/schema.json come from there.
"""

import difflib
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from workflow_src.common.yaml_files import parse_yaml

T = TypeVar("T")


class Settings(BaseModel):
    """Settings that cannot be changed, take no unknown key, and convert nothing in silence."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _known_and_read(cls, given: Any) -> Any:
        """Name the first key that is not known, and read what `--config` hands over as text."""
        if not isinstance(given, dict):
            return given
        known = list(cls.model_fields)
        for key in given:
            if not isinstance(key, str):
                problem = 'has {key} as a key, which is not text: write "{key}"'
                raise PydanticCustomError("key_not_text", problem, {"key": repr(key)})
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else "."
                raise PydanticCustomError(
                    "unknown_key",
                    "is not a known key{hint} Allowed: {known}",
                    {"key": key, "hint": hint, "known": ", ".join(known)},
                )
        return {key: _read(value, cls.model_fields[key].annotation) for key, value in given.items()}

    def complete(self) -> dict[str, Any]:
        """All settings, as JSON holds them: what a result says it was made with."""
        return self.model_dump(mode="json")

    def differing(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON holds it: what a rule passes to its step.

        A setting that is added later, with a default, changes nothing here.
        """
        return self.model_dump(mode="json", exclude_defaults=True)


class Entry(Settings):
    """Settings of which a configuration names only those that differ from shared ones."""

    @model_serializer(mode="wrap")
    def _only_given(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in whole(self).items() if key in self.model_fields_set}


def _read(found: Any, annotation: Any) -> Any:
    """A null that is text, and any text among options, of which no model knows the types."""
    if found in ("null", "~") and type(None) in get_args(annotation):
        return None
    return _read_all(found) if annotation == Options and isinstance(found, dict) else found


def _read_all(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _read_all(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_read_all(value) for value in found]
    if isinstance(found, str):
        try:
            read = parse_yaml(found)
        except yaml.YAMLError:
            return found
        return read if isinstance(read, str) else _read_all(read)
    known = found is None or isinstance(found, int) or isinstance(found, float) and isfinite(found)
    return found if known else str(found)  # a date, say: JSON has none


def named_in(registry: Mapping[str, str]) -> Callable[[str], str]:
    """A field's validator: its text must be the name of a member of a registry."""

    def known(name: str) -> str:
        if name not in registry:
            allowed = {"allowed": ", ".join(registry)}
            raise PydanticCustomError("not_registered", "{allowed}", allowed)
        return name

    return known


def _no_twice(found: tuple) -> tuple:
    if len(set(found)) < len(found):
        raise PydanticCustomError("twice", "no entry twice")
    return found


def _one_line(found: str) -> str:
    if not found.isprintable() or not 0 < len(found.strip()) <= 500:
        raise PydanticCustomError("one_line", "a line of text, at most 500 characters long")
    return found


def _no_brackets(found: str) -> str:
    if set(found) & set("{}<>"):  # Snakemake would take them for wildcards and path variables
        raise PydanticCustomError("brackets", "a path without any of { } < >")
    return found


Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Many = Annotated[tuple[T, ...], Strict(False), Field(min_length=1)]  # a list in YAML and JSON
Distinct = Annotated[tuple[T, ...], Strict(False), Field(min_length=1), AfterValidator(_no_twice)]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_]*$", max_length=60)]  # part of a path
TableName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]
Text = Annotated[str, AfterValidator(_one_line)]
OptionalName = Name | None
OptionalText = Text | None
FilePath = Annotated[Text, AfterValidator(_no_brackets)]  # of what is a job's input
OptionalPath = FilePath | None
Options = dict[str, Any]  # whose names and types are known where they are used
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
