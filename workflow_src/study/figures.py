"""Which of a study's methods the figures show LAW by. Pure look-ups in the config.

Only the rules use this, so that no script's hash of its code depends on it.
"""

from workflow_src.study.configuration import resolve


def delta_method(config: dict) -> str:
    """The method whose delta maps are shown: LAW, or the last method that has any.

    Raises:
        IndexError: if no method has delta maps.
    """
    synthesis = config["synthesis"]
    methods = [
        name
        for name in synthesis["methods"]
        if resolve(synthesis, "methods", name).get("weighting") == "law"
    ]
    return "law" if "law" in methods else methods[-1]


def law_settings(config: dict) -> dict[str, float]:
    """LAW's gamma and bounds, as the first method that clamps has them; none where none does."""
    synthesis = config["synthesis"]
    laws = (resolve(synthesis, "methods", name) for name in synthesis["methods"])
    clamped = next((law for law in laws if law.get("clamp")), {})
    return {key: clamped[key] for key in ("gamma", "w_min", "w_max") if key in clamped}
