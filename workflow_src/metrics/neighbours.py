"""Precision, recall, density, coverage and copies: what nearest neighbours say about two sets.

Distances are Euclidean, between features.
"""

import numpy as np

NEAREST = 5  # as the prdc library
ROWS = 1024  # of a matrix of distances that are held at once
SHOWN = 8  # closest pairs that are kept to be looked at


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances (N, M) between features (N, D) and (M, D), float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    found = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.maximum(found, 0.0)


def radii(features: np.ndarray, nearest: int = NEAREST) -> np.ndarray:
    """Squared distance (N,) of each image to its k-th nearest other image of the set."""
    k = min(nearest, len(features) - 1)
    parts = [features[start : start + ROWS] for start in range(0, len(features), ROWS)]
    # The nearest of all is the image itself.
    return np.concatenate(
        [np.partition(squared_distances(part, features), k, axis=1)[:, k] for part in parts]
    )


def manifolds(real: np.ndarray, synthetic: np.ndarray, nearest: int = NEAREST) -> dict[str, float]:
    """How far two sets cover each other, by balls that reach to each image's k-th neighbour.

    Args:
        real: (N, D).
        synthetic: (M, D).
        nearest: k.

    Returns:
        precision: share of synthetic images within a real image's ball, and recall, of real images
        within a synthetic image's (Kynkäänniemi et al. 2019); density: real balls that hold a
        synthetic image, over k, and coverage: share of real balls that hold any (Naeem et al.
        2020).
    """
    k = min(nearest, len(real) - 1)
    around_real, around_synthetic = radii(real, nearest), radii(synthetic, nearest)
    holds_it = np.zeros(len(synthetic), dtype=np.int64)
    recalled, covered = [], []
    for start in range(0, len(real), ROWS):
        part = slice(start, start + ROWS)
        apart = squared_distances(real[part], synthetic)
        inside = apart < around_real[part, None]
        holds_it += inside.sum(axis=0)
        covered.append(inside.any(axis=1))
        recalled.append((apart < around_synthetic).any(axis=1))
    return {
        "precision": float((holds_it > 0).mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": float(holds_it.mean() / k),
        "coverage": float(np.concatenate(covered).mean()),
    }


def nearest_of(
    features: np.ndarray, training: np.ndarray, apart_from: tuple[np.ndarray, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest training image of each image.

    Args:
        features: (N, D).
        training: (M, D).
        apart_from: groups (N,) of the images and (M,) of the training images, such as cases: an
            image's own group is left out.

    Returns:
        Which one (N,) int64, and its distance (N,) float64; infinite where all are left out.
    """
    which, apart = np.empty(len(features), dtype=np.int64), np.empty(len(features))
    for start in range(0, len(features), ROWS):
        part = slice(start, start + ROWS)
        squared = squared_distances(features[part], training)
        if apart_from:
            ours, theirs = apart_from
            squared[ours[part, None] == theirs] = np.inf
        which[part] = squared.argmin(axis=1)
        apart[part] = np.sqrt(squared.min(axis=1))
    return which, apart


def copies(
    features: np.ndarray,
    training: np.ndarray,
    closest_real: float | None,
    rows: np.ndarray,
    training_rows: np.ndarray,
) -> dict:
    """Which images lie closer to a training image than independent real images ever do.

    Args:
        features: (N, D).
        training: (M, D).
        closest_real: the smallest distance of a held-out image to a training image of another case;
            None where no image is held out.
        rows: (N,) numbers by which the images are named.
        training_rows: (M,), likewise.

    Returns:
        copies, the share of such images, None without a bound; closest_real; closest_pairs, of the
        image, its nearest training image and their distance, the closest first.
    """
    which, apart = nearest_of(features, training)
    order = np.argsort(apart, kind="stable")[:SHOWN]
    pairs = zip(rows[order], training_rows[which[order]], apart[order], strict=True)
    return {
        "copies": None if closest_real is None else float((apart < closest_real).mean()),
        "closest_real": closest_real,
        "closest_pairs": [[int(row), int(nearest), float(far)] for row, nearest, far in pairs],
    }
