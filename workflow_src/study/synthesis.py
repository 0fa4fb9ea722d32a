"""The settings of every diffusion training, as data. Importing this loads no torch."""

from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_src.common.registry import place_of
from workflow_src.study.registries import WEIGHTINGS

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass
class AutoencoderRecipe:
    """A small autoencoder trained from scratch, for those without Stable Diffusion.

    Args:
        path: a given autoencoder instead: a diffusers folder, or a folder of TAESD-style weights
            (`*_encoder.*` and `*_decoder.*`, .pth or .safetensors).
        widths: channels per level; each level but the first halves the side.
        latent_channels: channels of the latent.
        steps: optimiser updates.
        batch_size: images per update.
        learning_rate: peak of the cosine schedule.
        kl_weight: weight of the KL term, per latent element.
        checkpoint_every: steps between checkpoints.
    """

    path: str | None = None
    widths: tuple[int, ...] = (32, 64, 128)
    latent_channels: int = 4
    steps: int = 6000
    batch_size: int = 8
    learning_rate: float = 1e-3
    kl_weight: float = 1e-4
    checkpoint_every: int = 500


@dataclass
class DenoiserRecipe:
    """A small unconditional UNet trained from scratch in the autoencoder's latent space.

    Args:
        widths: channels per level; levels below the first attend.
        layers: residual blocks per level.
        steps: optimiser updates.
        batch_size: latents per update.
        learning_rate: peak of the cosine schedule.
        ema: decay of the weight average that is kept.
        prompt_dropout: part of the prompts replaced by the empty one.
        checkpoint_every: steps between checkpoints.
    """

    widths: tuple[int, ...] = (64, 128, 192)
    layers: int = 1
    steps: int = 8000
    batch_size: int = 32
    learning_rate: float = 4e-4
    ema: float = 0.995
    prompt_dropout: float = 0.05
    checkpoint_every: int = 500


@dataclass
class ControlNetRecipe:
    """One method of Table 1 or one rung of Table 4.

    Args:
        weighting: of the student's loss (Eq. 8): uniform (Eq. 2), ratio (Eq. 3), ratio_clamped
            (Eqs. 3 and 7), law (Eqs. 3-7), min_snr, or your own.
        weighting_options: what that weighting takes besides this recipe, such as gamma of min_snr.
        loss: l2 as in the equations, or l1, which the public ArSDM code weights.
        normalise: law, ratio_clamped: divide the weights by their mean per image (Eq. 7).
        clamp: law, ratio_clamped: bound the weights by w_min and w_max (Eq. 7).
        w_min: lower bound of Eq. 7.
        w_max: upper bound of Eq. 7.
        gamma: reach of the multiplier of Eq. 5.
        tau: temperature of Eq. 4.
        lambda_dice: weight of the Dice regulariser of Eq. 9; 0 leaves it out.
        teacher: train a teacher that sees mask and image (Eqs. 10-11).
        distillation_weighting: of the distillation loss (Eq. 11); without options, unless it is the
            same as the student's.
        beta_teacher: beta_T of Eq. 12.
        beta_distillation: beta_D of Eq. 12.
        detach_weights: cut the gradient from Eq. 8 into the weights. The paper does not say; off,
            since otherwise only the Dice term would train them and Table 4's middle rungs were
            their own first rung.
        detach_features: cut the gradient from the weights into f_t, the student's prediction. The
            paper does not say; on, since otherwise the Dice term trains the denoiser.
        mask_resize: how a mask reaches latent resolution: area keeps r and every lesion; max keeps
            every lesion and enlarges it; nearest, as public code does, may lose a small one.
        train_decoder: train the UNet's decoder too, as the public distillation code does.
        steps: optimiser updates.
        batch_size: images per update, over all processes and accumulated passes.
        micro_batch: images per process and pass; passes are accumulated up to batch_size.
        learning_rate: of ControlNets and decoders, constant after the warm-up.
        weighter_learning_rate: of what a weighting learns, LAW's phi. At 1e-5 for 500 steps phi
            could not move.
        weight_decay: AdamW's.
        warmup: steps of linear warm-up.
        gradient_clip: largest gradient norm; 0 does not clip.
        prompt_dropout: part of the prompts replaced by the empty one.
        precision: fp32, bf16 or fp16 (mixed).
        ema: decay of a weight average to keep instead of the last weights; 0 keeps the last.
        hint_channels: channels of the ControlNet's hint encoder, one per level of the autoencoder
            and one more for the first.
        hint_start: "default" starts the hint encoder as public ControlNets do; "preserving" so that
            it passes the mask on from the first step, for short trainings.
        checkpoint_every: steps between checkpoints.
        log_every: steps between rows of log.csv.
        preview_every: steps between preview grids; 0 makes none.
        compile: compile the networks; pays for itself after some thousand steps.
    """

    weighting: str = "uniform"
    weighting_options: dict[str, Any] = field(default_factory=dict)
    loss: Literal["l2", "l1"] = "l2"
    normalise: bool = True
    clamp: bool = True
    w_min: float = 1e-3
    w_max: float = 2.0
    gamma: float = 0.2
    tau: float = 3.0
    lambda_dice: float = 0.0
    teacher: bool = False
    distillation_weighting: str = "ratio"
    beta_teacher: float = 0.05
    beta_distillation: float = 0.05
    detach_weights: bool = False
    detach_features: bool = True
    mask_resize: Literal["area", "nearest", "max"] = "area"
    train_decoder: bool = True
    steps: int = 500
    batch_size: int = 32
    micro_batch: int = 4
    learning_rate: float = 1e-5
    weighter_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 0
    gradient_clip: float = 1.0
    prompt_dropout: float = 0.05
    precision: Precision = "bf16"
    ema: float = 0.0
    hint_channels: tuple[int, ...] = (16, 32, 96, 256)
    hint_start: Literal["default", "preserving"] = "default"
    checkpoint_every: int = 100
    log_every: int = 10
    preview_every: int = 0
    compile: bool = False

    def __post_init__(self):
        for name in (self.weighting, self.distillation_weighting):
            place_of(WEIGHTINGS, name, "a weighting")

    @property
    def weightings(self) -> list[str]:
        """Names of the weightings that its losses use, the student's first."""
        distillation = [self.distillation_weighting] if self.teacher else []
        return list(dict.fromkeys([self.weighting, *distillation]))


@dataclass
class SamplingRecipe:
    """How images are sampled.

    Args:
        steps: DDIM steps.
        guidance: classifier-free guidance scale; the mask stays in the unguided half. 1 is none.
        batch_size: images sampled at once.
        per_mask: images per training mask; may be a fraction.
        masks: "training" takes the masks as they are, "augmented" flips, scales and shifts them.
        precision: fp32, bf16 or fp16.
    """

    steps: int = 50
    guidance: float = 9.0
    batch_size: int = 16
    per_mask: float = 1.0
    masks: Literal["training", "augmented"] = "training"
    precision: Precision = "bf16"
