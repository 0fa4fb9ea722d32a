"""The models of a study as a JSON schema, written as YAML."""

from typing import Any

import yaml

from workflow_src.study.configuration import Study

HEADER = """\
# Every key of the configuration, with its bounds, default and meaning. Made from the models in
# workflow_src/study/ by `python -m workflow_src.write_schema`; change those, not this file.
"""


def schema_text() -> str:
    """The content of config/schema.yaml."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= _plain(Study.model_json_schema())
    text = yaml.safe_dump(schema, sort_keys=False, width=100, allow_unicode=True)
    return HEADER + text


def _plain(part: Any) -> Any:
    """A part without titles that only repeat a key, and with descriptions on one line."""
    if isinstance(part, list):
        return [_plain(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _plain(value) for key, value in part.items() if not _repeats(key, value)}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    return kept


def _repeats(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)
