"""The stages of a study: backbone, synthesis, metrics, segmentation, nnU-Net on mixes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from workflow_src.study.downstream import Mix, NnunetRecipe
from workflow_src.study.registries import EXTRACTORS
from workflow_src.study.segmentation import SegmenterRecipe, SegmenterTraining, Side
from workflow_src.study.settings import (
    Distinct,
    Entry,
    Name,
    OptionalName,
    OptionalPath,
    Options,
    Positive,
    Settings,
    Sha256,
    Text,
    named_in,
)
from workflow_src.study.stability import StabilityLimits
from workflow_src.study.synthesis import (
    AutoencoderRecipe,
    ControlNetRecipe,
    ControlNetTraining,
    DenoiserRecipe,
    SamplingRecipe,
)

# An address whose last part can be a file's name.
FILE_URL = r"^[a-z]+://[!-z|~]+/[A-Za-z0-9][A-Za-z0-9._-]*$"


class Backbone(Settings):
    """The frozen latent-diffusion model under every method."""

    kind: Literal["stable-diffusion", "small"]
    """Stable Diffusion 1.5, or a small model trained from scratch on the training set."""
    path: OptionalPath = None
    """A model of your own. Stable Diffusion 1.5: a diffusers folder or a single .safetensors file;
    null downloads it. small: a folder with a trained model per data set, <data set>/backbone.json,
    as results/<study>/backbone is; null trains them."""
    repository: Text
    """Hugging Face repository."""
    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    """Its commit."""
    sha256: dict[Text, Sha256] = {}
    """Checksums of weight files in the repository, by path. The commit pins them already."""
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    """The small model's autoencoder."""
    denoiser: DenoiserRecipe = DenoiserRecipe()
    """The small model's UNet."""


class Method(ControlNetRecipe, Entry):
    """A method, or a rung of an ablation: what differs from the shared settings."""

    label: Text
    """Name in tables."""
    extends: OptionalName = None
    """The method whose settings this one starts from."""


class Sampling(SamplingRecipe):
    """How synthetic sets are made."""

    shards: Positive = 4
    """Jobs that the sampling of a set is divided into."""


class Synthesis(Settings):
    """Mask-conditioned synthesis, Tables 1 and 4."""

    image_size: Annotated[int, Field(ge=32, multiple_of=8)] = 384
    """Side length of images for synthesis and nnU-Net. The recipe that the paper follows has
    384."""
    training: ControlNetTraining = ControlNetTraining()
    """Settings that all methods share; a method may name its own."""
    methods: Annotated[dict[Name, Method], Field(min_length=1)]
    """The methods, by name. `extends` takes over another method's settings."""
    sampling: Sampling = Sampling()
    """How synthetic images are made."""
    stability: StabilityLimits = StabilityLimits()
    """Beyond any of these a training counts as unstable in Table 4. The paper defines none."""
    faithfulness_model: Text
    """The segmenter, trained on real images, that looks for the masks in synthetic ones: a
    segmentation model or nnunet-<mix>."""


class Extractor(Settings):
    """The weights and settings of a feature extractor."""

    path: OptionalPath = None
    """Your own file of weights; null downloads them."""
    url: Annotated[str, Field(pattern=FILE_URL)] | None = None
    """Where they are fetched from; null where a package brings them."""
    sha256: Sha256 | None = None
    """Their checksum; null where the url names a commit."""
    options: Options = {}
    """Settings of the extractor's own."""


class Metrics(Settings):
    """The networks whose features images are compared by."""

    use: Distinct[Annotated[str, AfterValidator(named_in(EXTRACTORS))]]
    """Names of the extractors that score synthetic images (workflow_src/study/registries.py).
    inception and clip give the paper's FID and CLIP-I; lite0 needs no download."""
    extractors: dict[Name, Extractor] = {}
    """Weights and settings of extractors, by name."""


class LightModel(SegmenterRecipe, Entry):
    """A light segmenter: what differs from the shared settings."""

    label: Text
    """Name in tables."""
    extends: OptionalName = None
    """The model whose settings this one starts from."""


class Segmentation(Settings):
    """Light segmenters, Tables 3, 5 and 6."""

    training: SegmenterTraining = SegmenterTraining()
    """Settings that all models share; a model may name its own."""
    models: dict[Name, LightModel]
    """The models, by name. `extends` takes over another model's settings."""
    cost_size: Side = 256
    """Side length at which operations are counted."""


class NnunetTraining(NnunetRecipe):
    """How nnU-Net is trained and predicts."""

    mirror: bool = True
    """Average predictions over mirrored images."""


class NamedMix(Mix):
    """A mix of real and synthetic images."""

    label: Text
    """Name in tables."""


class Downstream(Settings):
    """nnU-Net on mixes of real and synthetic images, Table 2."""

    training: NnunetTraining = NnunetTraining()
    """Length of nnU-Net's training; the rest is its own."""
    mixes: Annotated[dict[Name, NamedMix], Field(min_length=1)]
    """What nnU-Net is trained on, by name."""
