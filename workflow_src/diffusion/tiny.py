"""The TAESD family of tiny autoencoders, in diffusers' AutoencoderTiny."""

from diffusers import AutoencoderTiny
from torch import Tensor, nn

Weights = dict[str, Tensor]


def tiny_from_weights(encoder: Weights, decoder: Weights) -> AutoencoderTiny:
    """diffusers' AutoencoderTiny with the weights of TAESD's own layout.

    There the decoder counts its clamp as layer 0; diffusers clamps outside the layers.
    """
    latent_channels = decoder["1.weight"].shape[1]
    vae = AutoencoderTiny(latent_channels=latent_channels).eval().requires_grad_(False)
    state = {f"encoder.layers.{name}": value for name, value in encoder.items()}
    for name, value in decoder.items():
        number, rest = name.split(".", 1)
        state[f"decoder.layers.{int(number) - 1}.{rest}"] = value
    return load_tiny(vae, state)


def load_tiny(vae: AutoencoderTiny, state: Weights) -> AutoencoderTiny:
    """Load weights strictly, adding the normalised bottlenecks of the family's newer members.

    TAEF2's blocks at the lowest resolution first add `pool(x)`, two 1 × 1 convolutions around a
    group norm, which diffusers' module lacks.
    """
    for name, value in state.items():
        if name.endswith("pool.0.weight"):
            block = vae.get_submodule(name.removesuffix(".pool.0.weight"))
            wide, narrow = value.shape[:2]
            block.pool = nn.Sequential(
                nn.Conv2d(narrow, wide, 1, bias=False),
                nn.GroupNorm(4, wide),
                nn.ReLU(),
                nn.Conv2d(wide, narrow, 1, bias=False),
            ).requires_grad_(False)
            block.register_forward_pre_hook(lambda m, args: (args[0] + m.pool(args[0]),))
    vae.load_state_dict(state, strict=True)
    return vae
