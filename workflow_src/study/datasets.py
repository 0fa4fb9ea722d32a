"""The image sets of a study: what they are called, where they come from, how they are read."""

from workflow_src.study.phantoms import Phantom
from workflow_src.study.reading import Reading
from workflow_src.study.settings import (
    Entry,
    FilePath,
    Name,
    OptionalText,
    Rate,
    Settings,
    Sha256,
    Text,
)


class Download(Entry):
    """Where a raw set is fetched from; not needed with a root or phantoms."""

    archives: dict[Text, Text] = {}
    """Photographs: addresses of TrainDataset.zip and TestDataset.zip."""
    sha256: dict[Text, Sha256 | None] = {}
    """Photographs: checksums of the archives. PraNet publishes none; null records what arrived."""
    imaging_repository: Text = ""
    """KiTS19: Hugging Face data set of the volumes."""
    imaging_revision: Text = ""
    """KiTS19: its commit."""
    labels_url: Text = ""
    """KiTS19: address of the labels, with {case}."""
    labels_sha256: FilePath = ""
    """KiTS19: file of the labels' checksums."""


class Dataset(Settings):
    """An image set."""

    label: Text
    """Name in tables."""
    lesion: Name
    """Name of the foreground label."""
    prompt: Text
    """Caption of every image."""
    root: OptionalText = None
    """Folder of your own copy of the raw set. Null downloads it to data/<name>."""
    phantom: Phantom | None = None
    """Draw phantoms instead of reading a real set."""
    download: Download = Download()
    """Where the raw set is fetched from; not needed with a root or phantoms."""
    tolerance: Rate | None = None
    """How far outlines may lie apart in the normalised surface Dice: in mm where the raw set says
    how large its pixels are, as KiTS19 does, else in pixels. Null scores no outlines, neither by
    that nor by HD95: they take some 20 s a job and 20 ms an image of 512²."""
    reading: Reading
    """How the raw set is read."""
