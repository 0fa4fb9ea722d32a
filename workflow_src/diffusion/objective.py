"""What a ControlNet training minimises: Equations 2 and 8 to 12, for every method alike.

The method `distillation` is what LAW's paper says of the adaptive distillation of Qiu et al. (ADC),
with LAW's weights. It departs from their public code (Qiukunpeng/ADC) in these points:

                                                          here           ADC
    factor of the image's control in the teacher
        (`teacher_control_scale`)                         1              0.25
    weights of student, teacher, distillation (Eq. 12)    1, 0.05, 0.05  1, 0, 0 as released
    largest gradient norm (`gradient_clip`)               1              not clipped
    updates (`steps`)                                     500            3,000
    weight of an empty mask in Eq. 11                     1              0: nothing is distilled

The rest of ADC's loss is the same: the student's own loss is uniform, and Eq. 3 weights Eq. 11.
"""

import copy
from typing import Any, cast

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn

from workflow_src.common.errors import InputError
from workflow_src.common.registry import build
from workflow_src.diffusion.unet import Decoder, Encoded, encode
from workflow_src.diffusion.weighting import Seen, Weighting, lesion_ratio, mask_at_latent
from workflow_src.study.registries import WEIGHTINGS
from workflow_src.study.synthesis import ControlNetRecipe

Batch = dict[str, Tensor]
EPSILON_S = 1e-6  # of Eq. 9


def preserve_variance(hint_encoder: nn.Module) -> None:
    """Start a hint encoder so that a mask's contrast reaches its last, zero convolution.

    By PyTorch's default each of its layers halves the signal or more, and ControlNets spend their
    first thousands of steps on undoing that.
    """
    for layer in (hint_encoder.conv_in, *hint_encoder.blocks):  # type: ignore[misc]
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def make_weighting(name: str, recipe: ControlNetRecipe, channels: int) -> Weighting:
    """A weighting of a method; weighting_options are those of the student's."""
    options = recipe.weighting_options if name == recipe.weighting else {}
    return build(WEIGHTINGS, name, "a weighting", recipe, channels, **options)


def dice_regulariser(delta: Tensor, mask: Tensor) -> Tensor:
    """Eq. 9: 1 - (2 Σ δm + ε_s) / (Σ δ + Σ m + ε_s), of each image, (B,)."""
    dims = (1, 2, 3)
    overlap = 2.0 * (delta * mask).sum(dims) + EPSILON_S
    return 1.0 - overlap / (delta.sum(dims) + mask.sum(dims) + EPSILON_S)


class Objective(nn.Module):
    """The trained parts of a method and its loss; the frozen encoder is used, not owned.

    The student sees the mask. The teacher, where the recipe has one, sees mask and image; both take
    what one pass of the frozen encoder made.

    Args:
        unet: the backbone's UNet, already frozen.
        recipe: the method.

    Raises:
        InputError: if nothing would train what a weighting learns, or it does not take its options.
    """

    def __init__(self, unet: UNet2DConditionModel, recipe: ControlNetRecipe):
        super().__init__()
        self.recipe = recipe
        self._unet = [unet]  # in a list, so that its weights are not part of this module's
        if recipe.gradient_checkpointing:
            unet.enable_gradient_checkpointing()  # first: decoders are copied from it

        def new_controlnet() -> ControlNetModel:
            controlnet = ControlNetModel.from_unet(
                unet, conditioning_embedding_out_channels=recipe.hint_channels
            )
            if recipe.hint_start == "preserving":
                preserve_variance(controlnet.controlnet_cond_embedding)
            if recipe.gradient_checkpointing:
                controlnet.enable_gradient_checkpointing()
            return controlnet

        def new_decoder() -> Decoder:
            decoder = Decoder(unet)
            return copy.deepcopy(decoder).requires_grad_(True) if recipe.train_decoder else decoder

        self.controlnet = new_controlnet()
        self.teacher_controlnet = new_controlnet() if recipe.teacher else None
        channels = unet.config.in_channels
        self.weightings = nn.ModuleDict(
            {name: make_weighting(name, recipe, channels) for name in recipe.weightings}
        )
        if recipe.train_decoder:
            self.decoder = new_decoder()
            self.teacher_decoder = new_decoder() if recipe.teacher else None
        else:  # frozen and shared: used, not owned
            shared = [new_decoder()]
            self._shared_decoder = shared

        for name, weighting in self._all_weightings().items():
            by_dice = weighting.has_delta and recipe.lambda_dice
            if list(weighting.parameters()) and recipe.detach_weights and not by_dice:
                raise InputError(
                    f"with detach_weights and without lambda_dice nothing trains the weights of "
                    f"{name}: set `lambda_dice` above 0, or `detach_weights: false`"
                )

    def __deepcopy__(self, memo: dict) -> "Objective":
        """Copy what is trained; the frozen UNet of nearly a billion weights stays the same one."""
        frozen = [*self._unet, *([] if self.recipe.train_decoder else self._shared_decoder)]
        memo |= {id(part): part for part in frozen}
        copied = memo[id(self)] = self.__class__.__new__(self.__class__)
        copied.__dict__ = copy.deepcopy(self.__dict__, memo)
        return copied

    def _decoders(self) -> tuple[Any, Any]:
        if self.recipe.train_decoder:
            return self.decoder, self.teacher_decoder
        return self._shared_decoder[0], self._shared_decoder[0]

    def _decode(self, decoder: Decoder, encoded: Encoded, skips: list[Tensor], middle: Tensor):
        """A decoder's prediction (B, C, h, w) in float32; a frozen one keeps its own precision."""
        if self.recipe.train_decoder:
            return decoder(encoded, skips, middle).float()
        dtype = encoded.middle.dtype
        with torch.autocast(middle.device.type, enabled=False):
            return decoder(encoded, [skip.to(dtype) for skip in skips], middle.to(dtype)).float()

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """The student's and the teacher's noise predictions, (B, C, h, w) each, in float32."""
        z_t, t, text = batch["z_t"], batch["t"], batch["text"]
        decoder, teacher_decoder = self._decoders()
        unet = self._unet[0]
        # Autocast would take the frozen encoder's norms to float32 and back.
        with torch.no_grad(), torch.autocast(z_t.device.type, enabled=False):
            encoded = encode(unet, z_t.to(unet.dtype), t, text.to(unet.dtype))
        hint = batch["mask"].expand(-1, 3, -1, -1)
        skips, middle = self.controlnet(z_t, t, text, hint, return_dict=False)
        student = self._decode(decoder, encoded, skips, middle)
        if not self.recipe.teacher:
            return student, None
        more_skips, more_middle = self.teacher_controlnet(  # type: ignore[misc]
            z_t, t, text, batch["image"], return_dict=False
        )
        scale = self.recipe.teacher_control_scale

        def mixed(of_mask: Tensor, of_image: Tensor) -> Tensor:
            return of_mask.add(of_image, alpha=scale)

        both = [mixed(a, b) for a, b in zip(skips, more_skips, strict=True)]
        return student, self._decode(teacher_decoder, encoded, both, mixed(middle, more_middle))

    def seen(self, batch: Batch, student: Tensor) -> Seen:
        """What weightings see of a batch and of the student's prediction (B, C, h, w)."""
        size = (student.shape[-2], student.shape[-1])
        mask = mask_at_latent(batch["mask"].float(), size, self.recipe.mask_resize)
        f_t = student.detach() if self.recipe.detach_features else student
        return Seen(mask, f_t, batch["t"], batch["alpha_bar"][:, None, None, None])

    def _all_weightings(self) -> dict[str, Weighting]:
        return cast(dict[str, Weighting], self.weightings)

    @property
    def has_delta(self) -> bool:
        """Whether a weighting has a δ."""
        return any(weighting.has_delta for weighting in self._all_weightings().values())

    def deltas(self, seen: Seen) -> dict[str, Tensor]:
        """δ (B, 1, h, w) of each weighting that has one, the student's first."""
        weightings = self._all_weightings().items()
        return {name: each.delta(seen) for name, each in weightings if each.has_delta}

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch, Eq. 12, and what to log of it.

        Args:
            batch: z_t (B, C, h, w) noisy latents (Eq. 1), noise likewise, t and alpha_bar (B,),
                text (B, T, D), mask (B, 1, H, W) in [0, 1], and with a teacher image (B, 3, H, W)
                in [0, 1].

        Returns:
            The loss, a scalar, and detached scalars by name.
        """
        recipe, noise = self.recipe, batch["noise"].float()
        student, teacher = self.predict(batch)
        seen = self.seen(batch, student)
        deltas = self.deltas(seen)

        def weights(name: str) -> Tensor:
            w = self.weightings[name](seen, deltas.get(name))
            return w.detach() if recipe.detach_weights else w

        w = weights(recipe.weighting)
        loss_student = (w * self._distance(student, noise)).mean()  # Eq. 8; Eq. 2 if uniform
        terms = {"loss_student": loss_student}
        if teacher is not None:
            terms["loss_teacher"] = self._distance(teacher, noise).mean()  # Eq. 10
            w_distillation = weights(recipe.distillation_weighting)
            gap = self._distance(student, teacher.detach())
            terms["loss_distillation"] = (w_distillation * gap).mean()  # Eq. 11
        if deltas and recipe.lambda_dice:
            dice = [dice_regulariser(delta, seen.mask).mean() for delta in deltas.values()]
            terms["loss_dice"] = torch.stack(dice).sum()  # Eq. 9
        loss = (  # Eq. 12; a term that a method does not have is 0
            loss_student
            + recipe.beta_teacher * terms.get("loss_teacher", 0.0)
            + recipe.beta_distillation * terms.get("loss_distillation", 0.0)
            + recipe.lambda_dice * terms.get("loss_dice", 0.0)
        )
        log = terms | self._weight_statistics(w, next(iter(deltas.values()), None), seen.mask)
        return loss, {"loss": loss.detach(), **{k: v.detach() for k, v in log.items()}}

    def _distance(self, prediction: Tensor, target: Tensor) -> Tensor:
        gap = prediction - target
        return gap.abs() if self.recipe.loss == "l1" else gap.square()

    @staticmethod
    def _weight_statistics(w: Tensor, delta: Tensor | None, mask: Tensor) -> dict[str, Tensor]:
        """Extremes and means of the weights, over lesion and background apart."""
        lesion, background = mask.sum().clamp(min=1e-6), (1 - mask).sum().clamp(min=1e-6)
        log = {
            "lesion_ratio": lesion_ratio(mask).mean(),
            "weight_min": w.amin(),
            "weight_max": w.amax(),
            "weight_mean": w.mean(),
            "weight_lesion": (w * mask).sum() / lesion,
            "weight_background": (w * (1 - mask)).sum() / background,
        }
        if delta is not None:
            log |= {
                "delta_lesion": (delta * mask).sum() / lesion,
                "delta_background": (delta * (1 - mask)).sum() / background,
            }
        return log
