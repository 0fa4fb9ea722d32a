"""Brings a configuration into the types of config/schema.yaml, and checks it against them."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from workflow_src.common.errors import InputError

SCHEMA = Path(__file__).parents[2] / "config" / "schema.yaml"
NULL = ("null", "~")  # as `--config` hands them over: as text


def conform(config: dict) -> None:
    """Turn text into the numbers, lists and nulls that it stands for, in place, and check all.

    Raises:
        InputError: one line that names the key, what was found, and what is allowed.
    """
    validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    _require_text_keys(config)
    _read_text(config, validator)
    error = best_match(validator.iter_errors(config))
    if error is not None:
        raise InputError(f"config: {_explain(error)}")


def _require_text_keys(part: Any, *above: str) -> None:
    """The schema knows keys of text alone, and an unquoted number of YAML is none."""
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if not isinstance(key, str):
            place = ".".join(above) or "the top level"
            raise InputError(f'config: {place} has {key} as a key, which is no text: write "{key}"')
        _require_text_keys(value, *above, key)


def _text_that_is_null(validator, types, found: Any, schema: dict) -> Iterator[ValidationError]:
    """What the schema's `type` demands, and that null, where allowed, is no text."""
    if found in NULL and "null" in types:
        yield ValidationError("text that is null")
    yield from Draft202012Validator.VALIDATORS["type"](validator, types, found, schema)


def _read_text(config: dict, validator: Draft202012Validator) -> None:
    finder = validators.extend(Draft202012Validator, {"type": _text_that_is_null})
    for error in list(finder(validator.schema).iter_errors(config)):
        if error.validator not in ("type", "enum") or not isinstance(error.instance, str):
            continue
        *above, last = error.absolute_path
        try:
            value: Any = float(error.instance)  # YAML does not read 1e-5 as a number
            value = int(value) if error.instance.lstrip("-").isdigit() else value
        except ValueError:
            try:
                value = yaml.safe_load(error.instance)
            except yaml.YAMLError as unreadable:
                key = ".".join(map(str, error.absolute_path))
                raise InputError(
                    f"config: {key} is text that YAML cannot read, {_short(error.instance)}: "
                    "check its braces, brackets and quotes"
                ) from unreadable
        if isinstance(value, str):
            continue
        place: Any = config
        for key in above:
            place = place[key]
        place[last] = value


def _explain(error: ValidationError) -> str:
    """One line: key, what was found, what is allowed."""
    key = ".".join(map(str, error.absolute_path)) or "the top level"
    schema, found = error.schema, error.instance
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        unknown = next(name for name in found if name not in known)
        near = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        place = f"{key}.{unknown}" if error.absolute_path else str(unknown)
        return f"{place} is no known key{hint} Allowed: {', '.join(known)}"
    if error.validator == "required":
        missing = [name for name in schema["required"] if name not in found]
        return f"{key} lacks {', '.join(missing)}"
    if error.validator == "enum":
        return f"{key} is {found!r}; allowed: {', '.join(map(str, schema['enum']))}"
    limits = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
        "multipleOf": "a multiple of {}",
        "minItems": "at least {} entries",
        "maxItems": "at most {} entries",
        "minProperties": "at least {} entries",
        "pattern": "text like {}",
    }
    kind = schema.get("type", "")
    kinds = [kind] if isinstance(kind, str) else kind
    allowed = [" or ".join(kinds)] if kind else []
    allowed += [text.format(schema[k]) for k, text in limits.items() if k in schema]
    if error.validator == "uniqueItems":
        allowed.append("no entry twice")
    return f"{key} is {_short(found)} ({type(found).__name__}); allowed: {', '.join(allowed)}"


def _short(found: Any) -> str:
    """What was found, as much of it as fits a line."""
    return repr(found) if len(repr(found)) < 80 else repr(found)[:77] + "..."
