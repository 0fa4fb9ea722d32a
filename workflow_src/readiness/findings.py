"""A finding: what was checked, whether it is right, and what to do if it is not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from workflow_src.common.errors import InputError

Level = Literal["OK", "WARN", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        level: OK; WARN, if the study runs but perhaps not as meant; FAIL, if it would break.
        subject: what was checked.
        text: what was found and, unless it is right, the remedy.
    """

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.level:5}{self.subject}: {self.text}"


def guarded(subject: str, check: Callable[..., Iterator[Finding]], *given) -> Iterator[Finding]:
    """The findings of a check; an input that it refuses is one that fails."""
    try:
        yield from check(*given)
    except InputError as error:
        yield Finding("FAIL", subject, str(error))
