"""What the rules ask a machine for."""

from typing import Annotated

from pydantic import Field

from workflow_src.study.settings import Count, Entry, Positive, Settings


class Need(Settings):
    """What a rule asks for that names nothing of its own."""

    threads: Positive = 2
    """CPU cores."""
    mem_mb: Annotated[int, Field(ge=500)] = 8000
    """Memory of a process; a job on several GPUs has one on each."""
    runtime: Positive = 60
    """Minutes."""
    gpu: Annotated[int, Field(ge=0, le=1)] = 0
    """GPUs: none, or one, which is all that most rules can use."""


class Ask(Need, Entry):
    """What a rule asks for; what it does not name, it takes from the default."""


class AskSeveral(Ask):
    """What a rule asks for that may share its work among GPUs."""

    gpu: Count = 0
    """GPUs, with a process on each."""


class Resources(Settings):
    """What each rule asks for; a rule that is not named takes the default."""

    default: Need = Need()
    """What every rule asks for, unless it is named below."""
    make_phantoms: Ask = Ask()
    prepare_data: Ask = Ask()
    train_autoencoder: Ask = Ask()
    train_denoiser: Ask = Ask()
    cache_latents: Ask = Ask()
    train_controlnet: AskSeveral = AskSeveral()
    sample_controlnet: Ask = Ask()
    gather_samples: Ask = Ask()
    extract_features: Ask = Ask()
    score_floors: Ask = Ask()
    score_fidelity: Ask = Ask()
    augment_real: Ask = Ask()
    train_segmenter: Ask = Ask()
    predict_segmenter: Ask = Ask()
    plan_nnunet: Ask = Ask()
    plan_resenc: Ask = Ask()
    preprocess_synthetic: Ask = Ask()
    train_nnunet: AskSeveral = AskSeveral()
    predict_nnunet: Ask = Ask()
    score_segmentation: Ask = Ask()
    measure_cost: Ask = Ask()
