"""The feature extractors that a study uses. Pure look-ups in the config.

Only the rules and the preflight use this, so that no script's hash of its code depends on it.
"""

from pathlib import Path


def weights_of(config: dict, name: str) -> str | None:
    """The file of an extractor's weights, given or fetched; None where a package brings them."""
    settings = config["metrics"]["extractors"].get(name, {})
    if settings.get("path"):
        return settings["path"]
    url = settings.get("url")
    return f"resources/metrics/{name}/{Path(url).name}" if url else None


def extractors_of(config: dict) -> dict[str, dict]:
    """Settings of each extractor that the study uses, as the steps take them."""
    found = {}
    for name in config["metrics"]["use"]:
        settings = config["metrics"]["extractors"].get(name, {})
        weights = weights_of(config, name)
        found[name] = {**settings.get("options", {}), **({"weights": weights} if weights else {})}
    return found
