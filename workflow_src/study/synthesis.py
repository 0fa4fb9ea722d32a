"""The settings of every diffusion training, and of sampling. Importing this loads no torch."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from workflow_src.study.registries import WEIGHTINGS
from workflow_src.study.settings import (
    Count,
    Fraction,
    Many,
    OptionalPath,
    Options,
    Positive,
    Rate,
    Settings,
    Weight,
    named_in,
)

Precision = Literal["fp32", "bf16", "fp16"]
Masks = Literal["training", "augmented"]
Widths = Annotated[Many[Annotated[int, Field(ge=8, multiple_of=8)]], Field(min_length=2)]


class AutoencoderRecipe(Settings):
    """A small autoencoder trained from scratch, for those without Stable Diffusion."""

    path: OptionalPath = None
    """A given autoencoder instead: a diffusers folder, or a folder of TAESD-style weights
    (`*_encoder.*` and `*_decoder.*`, .pth or .safetensors). Null trains one."""
    widths: Widths = (32, 64, 128)
    """Channels per level; each level but the first halves the side."""
    latent_channels: Positive = 4
    """Channels of the latent."""
    steps: Positive = 6000
    """Optimiser updates."""
    batch_size: Positive = 8
    """Images per update."""
    learning_rate: Rate = 1e-3
    """Peak of the cosine schedule."""
    kl_weight: Weight = 1e-4
    """Weight of the KL term, per latent element."""
    checkpoint_minutes: Weight = 10
    """Minutes between checkpoints; 0 makes one after each step."""


class DenoiserRecipe(Settings):
    """A small unconditional UNet trained from scratch in the autoencoder's latent space."""

    widths: Widths = (64, 128, 192)
    """Channels per level; levels below the first attend."""
    layers: Positive = 1
    """Residual blocks per level."""
    steps: Positive = 8000
    """Optimiser updates."""
    batch_size: Positive = 32
    """Latents per update."""
    learning_rate: Rate = 4e-4
    """Peak of the cosine schedule."""
    ema: Fraction = 0.995
    """Decay of the weight average that is kept."""
    prompt_dropout: Fraction = 0.05
    """Part of the prompts replaced by the empty one."""
    checkpoint_minutes: Weight = 10
    """Minutes between checkpoints; 0 makes one after each step."""


class ControlNetTraining(Settings):
    """What the methods' trainings share; a method may name its own."""

    mask_resize: Literal["area", "nearest", "max"] = "area"
    """How a mask reaches latent resolution: area keeps r and every lesion; max keeps every lesion
    and enlarges it; nearest, as public code does, may lose a small one."""
    train_decoder: bool = True
    """Train the UNet's decoder too. The public code of the recipe that the paper follows does."""
    steps: Positive = 500
    """Optimiser updates. The paper says 10 epochs, about 500 steps; both hold only for about 32
    images an update."""
    batch_size: Positive = 32
    """Images per update, over all GPUs and accumulated passes. The paper's 4 is per GPU (see
    steps)."""
    micro_batch: Positive = 4
    """Images per GPU and pass; passes are accumulated up to batch_size. Lower it when memory runs
    out."""
    learning_rate: Rate = 1e-5
    """Of ControlNets and decoders, constant after the warm-up."""
    weighter_learning_rate: Rate = 1e-3
    """Of what a weighting learns, LAW's phi. The paper gives none; at 1e-5 for 500 steps phi could
    not move."""
    weight_decay: Weight = 0.01
    """AdamW's."""
    warmup: Count = 0
    """Steps of linear warm-up."""
    gradient_clip: Weight = 1.0
    """Largest gradient norm; 0 does not clip."""
    prompt_dropout: Fraction = 0.05
    """Part of the prompts replaced by the empty one."""
    precision: Precision = "bf16"
    """Of the computation; weights and their updates stay fp32."""
    ema: Fraction = 0.0
    """Decay of a weight average to keep instead of the last weights; 0 keeps the last."""
    hint_channels: Annotated[Many[Positive], Field(min_length=2)] = (16, 32, 96, 256)
    """Channels of the ControlNet's hint encoder; one entry per level of the autoencoder."""
    hint_start: Literal["default", "preserving"] = "default"
    """How the hint encoder starts. default is what public ControlNets do, and costs thousands of
    steps before masks are followed; preserving passes the mask on from the first step, for short
    trainings."""
    gradient_checkpointing: bool = False
    """Compute activations a second time in place of keeping them: less GPU memory, a third more
    time, the same result."""
    optimizer_state: Literal["device", "host", "8bit"] = "device"
    """Where AdamW's moments lie: on the GPU; on the host, to save half of what a trained weight
    fills, with the same result; or on the GPU in 8 bits (needs bitsandbytes; another result)."""
    checkpoint_minutes: Weight = 10
    """Minutes between checkpoints; 0 makes one after each step."""
    log_every: Positive = 10
    """Steps between rows of log.csv."""
    preview_every: Count = 0
    """Steps between preview grids; 0 makes none."""
    compile: bool = False
    """Compile the networks; pays off after some thousand steps."""


class ControlNetRecipe(ControlNetTraining):
    """One method of Table 1 or one rung of Table 4."""

    weighting: str = "uniform"
    """Of the student's loss (Eq. 8): uniform (Eq. 2), ratio (Eq. 3), ratio_clamped (Eqs. 3 and 7),
    law (Eqs. 3-7), min_snr, or your own."""
    weighting_options: Options = {}
    """What that weighting takes besides this recipe, such as gamma of min_snr."""
    loss: Literal["l2", "l1"] = "l2"
    """l2 as in the equations; l1 as in the public ArSDM code, whose weights act on L1 alone."""
    normalise: bool = True
    """law, ratio_clamped: divide the weights by their mean per image (Eq. 7). The paper does not
    say mean over what."""
    clamp: bool = True
    """law, ratio_clamped: bound the weights by w_min and w_max (Eq. 7)."""
    w_min: Weight = 1e-3
    """Lower bound of Eq. 7. With Eq. 3 it never binds."""
    w_max: Rate = 2.0
    """Upper bound of Eq. 7. It holds every lesion below a quarter of the image."""
    gamma: Fraction = 0.2
    """Reach of the multiplier of Eq. 5."""
    tau: Rate = 3.0
    """Temperature of Eq. 4."""
    lambda_dice: Weight = 0.0
    """Weight of the Dice regulariser of Eq. 9; 0 leaves it out."""
    teacher: bool = False
    """Train a teacher that sees mask and image (Eqs. 10-11)."""
    teacher_control_scale: Weight = 1.0
    """Of the teacher's control from the image, which is added to that from the mask; the public ADC
    code has 0.25."""
    distillation_weighting: str = "ratio"
    """Of the distillation loss (Eq. 11); without options, unless it is the same as the
    student's."""
    beta_teacher: Weight = 0.05
    """beta_T of Eq. 12: the weight of Eq. 10."""
    beta_distillation: Weight = 0.05
    """beta_D of Eq. 12: the weight of Eq. 11."""
    detach_weights: bool = False
    """Cut the gradient from Eq. 8 into the weights. The paper does not say; off, since otherwise
    only the Dice term would train phi, and the middle rungs of Table 4 would equal its first."""
    detach_features: bool = True
    """Cut the gradient from the weights into f_t, the student's prediction. The paper does not say;
    on, since otherwise the Dice term trains the denoiser."""

    _known_weightings = field_validator("weighting", "distillation_weighting")(named_in(WEIGHTINGS))

    @property
    def weightings(self) -> list[str]:
        """Names of the weightings that its losses use, the student's first."""
        distillation = [self.distillation_weighting] if self.teacher else []
        return list(dict.fromkeys([self.weighting, *distillation]))


class SamplingRecipe(Settings):
    """How images are sampled."""

    steps: Annotated[Positive, Field(le=1000)] = 50
    """DDIM steps."""
    guidance: Annotated[float, Field(ge=1)] = 9.0
    """Classifier-free guidance scale; the mask stays in the unguided half. 1 is none."""
    batch_size: Positive = 16
    """Images sampled at once."""
    per_mask: Rate = 1.0
    """Synthetic images per training mask; may be a fraction."""
    masks: Masks = "training"
    """training takes the masks as they are, augmented flips, scales and shifts them."""
    precision: Precision = "bf16"
    """Of the computation."""
