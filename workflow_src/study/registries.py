"""What a study can name, and where each lies: docs/extending.md says how to add one.

A new line here changes no step's code hash. The code of a member counts for the steps that run it,
and for these alone.
"""

# Weights of the diffusion loss: workflow_src.diffusion.weighting.Weighting says what each must do.
WEIGHTINGS = {
    "uniform": "workflow_src.diffusion.weighting:Uniform",
    "ratio": "workflow_src.diffusion.weighting:Ratio",
    "ratio_clamped": "workflow_src.diffusion.weighting:RatioClamped",
    "law": "workflow_src.diffusion.law:LAW",
    "min_snr": "workflow_src.diffusion.min_snr:MinSNR",
}

# Light segmenters: workflow_src.segmentation.build_segmenter says what each must do.
SEGMENTERS = {
    "mkunet": "workflow_src.segmentation.mkunet:MKUNet",
    "order": "workflow_src.segmentation.order:ORDER",
    "unext": "workflow_src.segmentation.unext:UNeXt",
    "egeunet": "workflow_src.segmentation.egeunet:EGEUNet",
}

# Readers of raw image sets: workflow_src.data.raw.RawSet says what each must do.
RAW_FORMATS = {
    "photographs": "workflow_src.data.photographs:Photographs",
    "kits19": "workflow_src.data.kits19:KiTS19",
}
# What the rule that fetches a format cannot do without; the other formats are read from a `root`.
FETCHED_FROM = {
    "photographs": ("archives", "sha256"),
    "kits19": ("imaging_repository", "imaging_revision", "labels_url", "labels_sha256"),
}

# Networks whose features images are compared by: workflow_src.metrics.features.Extractor says what
# each must do.
EXTRACTORS = {
    "inception": "workflow_src.metrics.extractors.inception:Inception",
    "clip": "workflow_src.metrics.extractors.clip:Clip",
    "dinov2": "workflow_src.metrics.extractors.dinov2:DinoV2",
    "lite0": "workflow_src.metrics.extractors.efficientnet_lite0:EfficientNetLite0",
}
