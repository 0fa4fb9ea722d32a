"""Stable Diffusion 1.5 from a single checkpoint file, without asking a hub for its settings.

The settings are facts of the published model; its tokenizer's vocabulary comes with open_clip.
"""

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

from workflow_src.common.errors import InputError

DOWN = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
UP = ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
CONFIGS: dict[str, dict[str, Any]] = {
    "unet": {
        "_class_name": "UNet2DConditionModel", "sample_size": 64, "in_channels": 4,
        "out_channels": 4, "down_block_types": DOWN, "up_block_types": UP,
        "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
        "cross_attention_dim": 768, "attention_head_dim": 8,
    },
    "vae": {
        "_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
        "layers_per_block": 2, "latent_channels": 4, "sample_size": 512, "scaling_factor": 0.18215,
    },
    "scheduler": {
        "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085,
        "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1,
        "clip_sample": False, "set_alpha_to_one": False,
    },
    "text_encoder": {
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": 49408,
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "max_position_embeddings": 77, "hidden_act": "quick_gelu",
        "projection_dim": 768, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
    },
}  # fmt: skip
FILES = {"unet": "config.json", "vae": "config.json", "text_encoder": "config.json",
         "scheduler": "scheduler_config.json"}  # fmt: skip
COMPONENTS = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
}


def write_tokenizer(folder: Path) -> None:
    """CLIP's tokenizer from the merges that open_clip's package carries."""
    import open_clip

    packed = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.decompress(packed.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = letters + [f"{letter}</w>" for letter in letters]
    words += ["".join(merge.split()) for merge in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77,
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_configs(folder: Path) -> None:
    """Stable Diffusion 1.5's settings, in diffusers' layout, without weights."""
    for part, config in CONFIGS.items():
        (folder / part).mkdir(parents=True)
        (folder / part / FILES[part]).write_text(json.dumps(config))
    write_tokenizer(folder / "tokenizer")
    (folder / "model_index.json").write_text(json.dumps(COMPONENTS))


def convert_single_file(file: Path, folder: Path) -> None:
    """Write a single checkpoint as a diffusers folder.

    Raises:
        InputError: if the file is not a Stable Diffusion 1.x checkpoint.
    """
    from diffusers import StableDiffusionPipeline
    from diffusers.loaders.single_file_utils import SingleFileComponentError

    with tempfile.TemporaryDirectory() as configs:
        settings = Path(configs) / "model"
        write_configs(settings)
        try:
            pipeline = StableDiffusionPipeline.from_single_file(
                str(file), config=str(settings), local_files_only=True, safety_checker=None
            )
        except (OSError, ValueError, KeyError, RuntimeError, SingleFileComponentError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{file} is not a Stable Diffusion 1.5 checkpoint ({reason}): give another "
                "`backbone.path`, or null to fetch the model"
            ) from error
    pipeline.save_pretrained(folder)
