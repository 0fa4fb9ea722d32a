"""How close synthetic images are to real ones: FID, KID and CLIP-I, from features."""

import numpy as np
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

KID_SUBSET = 1000  # torch-fidelity's default, lowered where there are fewer images


def frechet_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """FID between features (N, D) and (M, D), by torch-fidelity."""
    statistics = [
        fid_features_to_statistics(torch.from_numpy(f.astype(np.float64)))
        for f in (synthetic, real)
    ]
    return fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def kernel_distance(real: np.ndarray, synthetic: np.ndarray) -> dict[str, float]:
    """KID between features, by torch-fidelity: mean and deviation over subsets, and their size."""
    size = min(KID_SUBSET, len(real), len(synthetic))
    result = kid_features_to_metric(
        torch.from_numpy(synthetic.astype(np.float64)),
        torch.from_numpy(real.astype(np.float64)),
        kid_subset_size=size,
        kid_subsets=100,
        rng_seed=0,
        verbose=False,
    )
    return {
        "kid": result["kernel_inception_distance_mean"],
        "kid_deviation": result["kernel_inception_distance_std"],
        "kid_subset_size": size,
    }


def clip_i(real: np.ndarray, synthetic: np.ndarray, pairs: np.ndarray) -> dict[str, float]:
    """CLIP-I: cosine similarity of image embeddings. The paper does not say between which.

    Args:
        real: (N, D).
        synthetic: (M, D).
        pairs: (M,), for each synthetic image the real one whose mask it was made from.

    Returns:
        clip_i, the mean over all real-synthetic pairs, and clip_i_paired, over the given ones.
    """
    a = real / np.linalg.norm(real, axis=1, keepdims=True)
    b = synthetic / np.linalg.norm(synthetic, axis=1, keepdims=True)
    return {
        "clip_i": float(b.mean(axis=0) @ a.mean(axis=0)),  # the mean of all products
        "clip_i_paired": float((b * a[pairs]).sum(axis=1).mean()),
    }
