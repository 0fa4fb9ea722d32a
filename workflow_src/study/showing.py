"""What a study shows: its tables and figures."""

from typing import Annotated, Literal

from pydantic import Strict

from workflow_src.study.settings import Distinct, Many, OptionalText, Positive, Settings, Text


class Table(Settings):
    """What a table shows."""

    of: Literal["methods", "mixes", "models"]
    """What its rows are: synthesis methods, mixes for nnU-Net, or segmentation models."""
    title: OptionalText = None
    """Heading; null takes that of the paper's table of this name."""
    rows: Distinct[Text]
    """Their names, in the order shown."""
    datasets: Distinct[Text]
    """The image sets, by name."""
    columns: Distinct[Text]
    """The columns, by name (workflow_src/study/columns.py)."""
    more: Annotated[tuple[Text, ...], Strict(False)] = ()
    """Columns that only the csv holds."""
    reference: OptionalText = None
    """The row that the others are tested against."""
    labels: dict[Text, Text] = {}
    """Names of rows in this table."""


class Figures(Settings):
    """What the figures show."""

    examples: Positive = 5
    """Masks in Figure 6."""
    dataset: Text
    """Data set of Figures 6 to 8."""
    methods: Many[Text]
    """Methods of Figure 6 and the training curves."""
    segmenter: Text
    """Model of Figure 7."""
