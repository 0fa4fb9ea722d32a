"""What a distance between two sets is worth: how far apart real images are at as many images.

A distance of normal distributions grows as images become fewer, below 2,048 of Inception's all the
more, since its covariances then lack rank. So distances are compared at equal numbers of images
alone, with that of real images from real images, drawn several times, beside them.
"""

from collections.abc import Iterator

import numpy as np

from workflow_src.metrics.fidelity import frechet_distance, scores

DRAWS = 10
FEWEST = 8  # images that a distance is taken over


def sizes(real: int, synthetic: int) -> list[int]:
    """Numbers of images to compare at, rising: the most that half the real images and the synthetic
    ones allow, its half, and so on.

    Args:
        real: training images.
        synthetic: images of a synthetic set.
    """
    found = [max(min(real // 2, synthetic), 2)]
    while found[0] // 2 >= FEWEST:
        found.insert(0, found[0] // 2)
    return found


def draws(
    images: int, first: np.ndarray, second: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A number of images of each of two sets, drawn at random without replacement, DRAWS times.

    Args:
        images: of each.
        first: features (N, D).
        second: (M, D); left out, the second half of a pair comes from the rest of the first.
    """
    for draw in range(DRAWS):
        order = np.random.default_rng([images, draw]).permutation(len(first))
        if second is None:
            yield first[order[:images]], first[order[images : 2 * images]]
        else:
            others = np.random.default_rng([images, draw, 1]).permutation(len(second))
            yield first[order[:images]], second[others[:images]]


def distances(
    images: list[int], first: np.ndarray, second: np.ndarray | None = None
) -> dict[str, list[float]]:
    """Fréchet distance of every draw, by the number of images that it is over.

    Args:
        images: these numbers.
        first: as of `draws`, and so is second.
    """
    return {
        str(size): [frechet_distance(*pair) for pair in draws(size, first, second)]
        for size in images
    }


def floor(images: list[int], first: np.ndarray, second: np.ndarray | None = None) -> dict:
    """All measures between real images, at the largest number of images; means over the draws.

    Args:
        images: numbers of images, rising.
        first: as of `draws`, and so is second.

    Returns:
        What `fidelity.scores` returns, and by_images, as `distances` returns it.
    """
    largest = [scores(*pair) for pair in draws(images[-1], first, second)]
    means = {name: float(np.mean([found[name] for found in largest])) for name in largest[0]}
    by_images = distances(images[:-1], first, second)
    by_images[str(images[-1])] = [found["distance"] for found in largest]
    return means | {"by_images": by_images}
