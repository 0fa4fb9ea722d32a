"""How close one set of images is to another, from their features: FID, KID, CLIP-I and CMMD."""

from collections.abc import Callable
from typing import Any

import numpy as np

from workflow_src.metrics.neighbours import ROWS, manifolds


def frechet_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Fréchet distance of the normal distributions with the features' means and covariances.

    From Inception's features it is FID. The trace of the covariances' geometric mean is the sum of
    the singular values of a product of their roots, which the centred features are: no root of a
    matrix is taken, so fewer images than dimensions do no harm to the computation. They still do
    to the meaning: the covariances lack rank, and the distance of like sets grows as N falls.

    Args:
        real: (N, D).
        synthetic: (M, D).
    """
    roots: list[Any] = []
    means = []
    for features in (real, synthetic):
        values = features.astype(np.float64)
        means.append(values.mean(axis=0))
        root = (values - means[-1]) / np.sqrt(len(values) - 1)
        roots.append(np.linalg.qr(root, mode="r") if len(root) > root.shape[1] else root)
    shift = np.square(means[0] - means[1]).sum()
    spread = sum(np.square(root).sum() for root in roots)
    common = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    return float(max(shift + spread - 2 * common, 0.0))


def _sum_of_kernel(kernel: Callable, a: np.ndarray, b: np.ndarray) -> float:
    """Sum of a kernel of inner products over all pairs of (N, D) and (M, D)."""
    parts = (a[start : start + ROWS] for start in range(0, len(a), ROWS))
    return float(sum(kernel(part @ b.T).sum() for part in parts))


def kernel_distance(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Squared maximum mean discrepancy under the kernel (x.y / D + 1)^3, from Inception's features
    KID (Bińkowski et al. 2018).

    Unbiased whatever the number of images, so that it may be negative. It is taken over all
    images; the mean over random subsets, which libraries take, estimates the same.

    Args:
        real: (N, D), N at least 2.
        synthetic: (M, D), M at least 2.
    """
    a, b = real.astype(np.float64), synthetic.astype(np.float64)

    def kernel(products: np.ndarray) -> np.ndarray:
        return (products / a.shape[1] + 1) ** 3

    within = 0.0
    for x in (a, b):
        itself = kernel(np.square(x).sum(axis=1)).sum()
        within += (_sum_of_kernel(kernel, x, x) - itself) / (len(x) * (len(x) - 1))
    return within - 2 * _sum_of_kernel(kernel, a, b) / (len(a) * len(b))


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def similarity(
    real: np.ndarray, synthetic: np.ndarray, pairs: np.ndarray | None = None
) -> dict[str, float]:
    """Cosine similarity of features, from CLIP's CLIP-I. The paper does not say between which.

    Args:
        real: (N, D).
        synthetic: (M, D).
        pairs: (M,), for each synthetic image the real one whose mask it was made from.

    Returns:
        similarity, the mean over all real-synthetic pairs, and similarity_paired, over the given
        ones.
    """
    a, b = _unit(real), _unit(synthetic)
    found = {"similarity": float(b.mean(axis=0) @ a.mean(axis=0))}  # the mean of all products
    if pairs is not None:
        found["similarity_paired"] = float((b * a[pairs]).sum(axis=1).mean())
    return found


def gaussian_discrepancy(real: np.ndarray, synthetic: np.ndarray, width: float = 10.0) -> float:
    """Squared maximum mean discrepancy under a Gaussian kernel, of features of unit length.

    From CLIP's features, times 1,000, it is CMMD (Jayasumana et al. 2024, with their width and
    their estimator, which keeps each image's pair with itself).

    Args:
        real: (N, D).
        synthetic: (M, D).
        width: of the kernel.
    """
    a, b = (_unit(features.astype(np.float64)) for features in (real, synthetic))

    def kernel(cosines: np.ndarray) -> np.ndarray:
        return np.exp((cosines - 1) / width**2)  # the squared distance is 2 - 2 cos

    def mean(x: np.ndarray, y: np.ndarray) -> float:
        return _sum_of_kernel(kernel, x, y) / (len(x) * len(y))

    return mean(a, a) + mean(b, b) - 2 * mean(a, b)


def scores(
    real: np.ndarray, synthetic: np.ndarray, pairs: np.ndarray | None = None
) -> dict[str, float]:
    """All measures of one extractor's features; similarity_paired only where pairs are given.

    Args:
        real: (N, D).
        synthetic: (M, D).
        pairs: (M,), as of `similarity`.
    """
    return {
        "distance": frechet_distance(real, synthetic),
        "kernel_distance": kernel_distance(real, synthetic),
        **manifolds(real, synthetic),
        **similarity(real, synthetic, pairs),
        "discrepancy": gaussian_discrepancy(real, synthetic),
    }
