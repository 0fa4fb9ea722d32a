"""Reading the JSON files in which one step tells another what it made."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workflow_src.common.errors import InputError
from workflow_src.common.validation import one_line


def read_json(path: Path) -> Any:
    """A JSON file's content.

    Raises:
        InputError: if the file is cut off or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:  # not JSON, or not text
        raise InputError(
            f"{path} is damaged ({error}): copy it again, or remove it and make it again"
        ) from error


def read_facts(path: Path, *keys: str) -> dict:
    """A JSON file's content, which has some keys.

    Raises:
        InputError: as `facts_of`.
    """
    with facts_of(path) as facts:
        return {key: facts[key] for key in keys} | facts


@contextmanager
def facts_of(path: Path) -> Iterator[dict]:
    """A JSON file's content, to be taken apart in the block: what it lacks there is named.

    Raises:
        InputError: if the file is damaged, or has not the keys that the block takes it to have.
    """
    content = read_json(path)
    try:
        yield content
    except (AttributeError, KeyError, TypeError, ValidationError) as error:
        reason: object = f"no {error}" if isinstance(error, KeyError) else error
        if isinstance(error, ValidationError):
            reason = one_line(error)
        raise InputError(
            f"{path} is from another version of this workflow, or damaged ({reason}): make it again"
        ) from error
