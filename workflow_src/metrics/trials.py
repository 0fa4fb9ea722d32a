"""Features of a batch of images by CLIP's image tower, with random weights, as a trial."""

import torch
from torch import Tensor, nn

from workflow_src.common.trials import Ready, Trial
from workflow_src.metrics.extractors.clip import DEVIATION, MEAN
from workflow_src.metrics.features import normalised, resized


def features(count: int, size: int) -> Trial:
    """What the metrics' networks do with a batch of images of one size."""

    def tower() -> nn.Module:
        import open_clip

        torch.manual_seed(0)
        return open_clip.create_model("ViT-B-32-quickgelu", pretrained=None).visual.eval()

    def images(number: int) -> Tensor:
        draws = torch.Generator().manual_seed(0)
        return torch.randint(256, (number, 3, size, size), dtype=torch.uint8, generator=draws)

    @torch.no_grad()
    def seen(network: nn.Module, batch: Tensor) -> Tensor:
        return network(normalised(resized(batch, 224), MEAN, DEVIATION)).float()

    def ready(device: str) -> Ready:
        network, batch = tower().to(device), images(count).to(device)

        def counted() -> None:
            torch.backends.mha.set_fastpath_enabled(False)  # whose operations are not counted
            seen(network, batch)
            torch.backends.mha.set_fastpath_enabled(True)

        look = images(1).to(device)
        return Ready(lambda: seen(network, batch), lambda: seen(network, look), counted)

    return Trial("features", count, ready, lambda: seen(tower(), images(1)), 0.01)
