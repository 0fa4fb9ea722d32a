"""The limits beyond which a training is called unstable."""

from workflow_src.study.settings import Rate, Settings, Weight


class StabilityLimits(Settings):
    """Beyond any of these a training counts as unstable in Table 4. The paper defines none."""

    loss_spike: Rate = 20.0
    """Largest loss of a step over the median loss."""
    gradient_spike: Rate = 20.0
    """Largest gradient norm of a step over the median norm."""
    weight_max: Rate = 100.0
    """Largest weight of a pixel."""
    weight_mean: Weight = 0.05
    """Smallest mean weight; below it the loss all but vanishes."""
