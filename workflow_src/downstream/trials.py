"""A training step of the network that nnU-Net plans for the paper's images, as a trial."""

import torch
from torch import Tensor, nn

from workflow_src.common.trials import Ready, Trial

# As nnU-Net 2.6 plans for RGB images of 384² and its default memory target: see
# benchmarks/operations.md.
FEATURES = (32, 64, 128, 256, 512, 512, 512)
BATCH = 22


def training(size: int, batch: int, features: tuple[int, ...]) -> Trial:
    """A batch through nnU-Net's plain U-Net by its optimiser, in its precision.

    Args:
        size: side length of the patches.
        batch: patches of a step.
        features: channels of each stage.
    """

    def network() -> nn.Module:
        from dynamic_network_architectures.architectures.unet import PlainConvUNet

        torch.manual_seed(0)
        stages = len(features)
        return PlainConvUNet(
            3, stages, features, nn.Conv2d, 3, [1] + [2] * (stages - 1), 2, 2, [2] * (stages - 1),
            conv_bias=True, norm_op=nn.InstanceNorm2d, norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=False,
        )  # fmt: skip

    def patches(count: int) -> Tensor:
        return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))

    def ready(device: str) -> Ready:
        model = network().to(device).train()
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.99, nesterov=True)
        scaler = torch.amp.GradScaler(device, enabled=device == "cuda")
        x = patches(batch).to(device)
        y = torch.ones(batch, size, size, dtype=torch.long, device=device)

        def step() -> None:
            with torch.autocast(device, enabled=device == "cuda"):
                loss = nn.functional.cross_entropy(model(x).float(), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 12)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)

        @torch.no_grad()
        def look() -> Tensor:
            with torch.autocast(device, enabled=device == "cuda"):
                return model(patches(1).to(device))

        return Ready(step, look)

    @torch.no_grad()
    def reference() -> Tensor:
        return network()(patches(1))

    return Trial("nnunet", 1, ready, reference, 0.02)
