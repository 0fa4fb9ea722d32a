# Look-ups of raw sets and their views.

from workflow_src.study.phantoms import Phantom
from workflow_src.study.reading import Reading


def source_of(dataset):
    """Where a raw set comes from: phantom, local or download."""
    settings = DATASETS[dataset]
    if settings["phantom"]:
        return "phantom"
    return "local" if settings["root"] else "download"


def datasets_from(source, *formats):
    """Regular expression of the data sets that come from a source, in some of the formats."""
    names = [
        name
        for name in DATASETS
        if source_of(name) == source
        and DATASETS[name]["reading"]["format"] in (formats or RAW_FORMATS)
    ]
    return "|".join(names) or "none"


def raw_marker(wildcards):
    """The file that says a raw set is there."""
    if source_of(wildcards.dataset) == "download":
        return f"data/{wildcards.dataset}/source.json"
    return f"<results>/raw/{wildcards.dataset}/source.json"


def raw_members(wildcards):
    """Where the reader of a raw set lies."""
    return [RAW_FORMATS[DATASETS[wildcards.dataset]["reading"]["format"]]]


def raw_root(wildcards, input):
    """The folder of a raw set."""
    return DATASETS[wildcards.dataset]["root"] or str(Path(input.raw).parent)


def local_root(wildcards):
    """The folder of a raw set of the user's own."""
    return DATASETS[wildcards.dataset]["root"]


def reading_of(wildcards):
    """How a raw set is read, as JSON."""
    return json.dumps(Reading(**DATASETS[wildcards.dataset]["reading"]).differing())


def phantom_of(wildcards):
    """What is drawn in place of a raw set, as JSON."""
    return json.dumps(Phantom(**DATASETS[wildcards.dataset]["phantom"]).differing())


def download_setting(key):
    """Where a data set is fetched from."""
    return dataset_setting("download", key)


def label_checksums(wildcards):
    """The file of the checksums of a data set's labels."""
    return DATASETS[wildcards.dataset]["download"]["labels_sha256"]


def case_table(wildcards):
    """The table of a data set's cases, if it has one."""
    return DATASETS[wildcards.dataset]["reading"].get("cases") or []


def size_option(wildcards):
    """The side length of a prepared view; native views have none."""
    return option("size", None if wildcards.view == "native" else wildcards.view)
