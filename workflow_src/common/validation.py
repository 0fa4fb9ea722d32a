"""What a settings model finds wrong, as one line."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# What is allowed, by the kind of the error; `{...}` is what pydantic says of the bound.
ALLOWED = {
    "int_type": "integer",
    "float_type": "number",
    "finite_number": "a finite number",
    "string_type": "string",
    "string_unicode": "text that is Unicode",
    "bool_type": "boolean, true or false",
    "tuple_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "text like {pattern}",
    "literal_error": "{expected}",
}


def one_line(error: ValidationError, where: str = "") -> str:
    """The first of the errors: its key, what was found, and what is allowed.

    Args:
        error: what a model raised.
        where: the key that the model itself stands at; "" for the top level.
    """
    errors = error.errors(include_url=False)
    first = min(errors, key=lambda one: (one["type"] == "too_short", len(one["loc"])))
    if first["type"] == "missing":
        above = first["loc"][:-1]
        lacking = [
            e["loc"][-1] for e in errors if e["type"] == "missing" and e["loc"][:-1] == above
        ]
        return f"{_key(where, *above)} lacks {', '.join(map(str, lacking))}"
    return _shown(_explained(first, where))


def _explained(error: ErrorDetails, where: str) -> str:
    place, context, found = error["loc"], error.get("ctx", {}), error["input"]
    if error["type"] == "unknown_key":
        return f"{_key(where, *place, context['key'])} {error['msg']}"
    if error["type"] == "key_not_text":
        return f"{_key(where, *place)} {error['msg']}"
    allowed = ALLOWED.get(error["type"], "").format(**context) or error["msg"]
    if error["type"] == "literal_error":
        allowed = allowed.replace("'", "").replace(" or ", ", ")
    if place and place[-1] == "[key]" and not isinstance(found, str):
        return (
            f'{_key(where, *place[:-2])} has {found} as a key, which is not text: write "{found}"'
        )
    if place and place[-1] == "[key]":
        return f"{_key(where, *place[:-2])} has {_short(found)} as a name; allowed: {allowed}"
    return f"{_key(where, *place)} is {_short(found)} ({type(found).__name__}); allowed: {allowed}"


def _key(*parts: Any) -> str:
    return ".".join(str(part) for part in parts if part != "") or "the top level"


def _short(found: Any) -> str:
    """What was found, as much of it as fits a line."""
    text = repr(found)
    return text if len(text) < 80 else text[:77] + "..."


def _shown(line: str) -> str:
    """A line whose keys may hold what no terminal shows."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
