"""What one more training of a table's row takes: jobs of the rules that do its work."""

from workflow_src.study.columns import COLUMNS
from workflow_src.study.table_specs import mix_of, model_of


def training_jobs(config: dict, name: str, row: str) -> dict[str, int]:
    """How many jobs of which rules one more seed of a row takes, up to a table's metrics.

    Rules that need no GPU, and the network that judges faithfulness, which all methods share, are
    left out.

    Args:
        config: the study.
        name: of the table.
        row: of the table.
    """
    table = config["tables"][name]
    if table["of"] == "methods":
        kinds = {COLUMNS[column].kind for column in table["columns"]}
        return _of_method(config) | ({"score_fidelity": 1} if "fidelity" in kinds else {})
    mix = mix_of(model_of(table["of"], row))
    if mix is None:
        return {"train_segmenter": 1, "predict_segmenter": 1}
    synthetic = config["downstream"]["mixes"][mix]["method"] in config["synthesis"]["methods"]
    return (_of_method(config) if synthetic else {}) | {"train_nnunet": 1, "predict_nnunet": 1}


def _of_method(config: dict) -> dict[str, int]:
    return {
        "train_controlnet": 1,
        "sample_controlnet": config["synthesis"]["sampling"]["shards"],
    }
