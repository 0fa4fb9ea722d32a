"""What a backbone is made of on disk."""

# The folders of Stable Diffusion 1.5 in diffusers' layout.
STABLE_DIFFUSION = ("unet", "vae", "scheduler", "text_encoder", "tokenizer")
