"""Phantoms for the demo: colonoscopy-like photographs and abdominal CT-like volumes, with masks.

They are drawn, not learned: a few shapes, shadings and noise fields per image, enough that a person
recognises the domain in a thumbnail and that a small network has something to learn. Lesions stay
under 10 % of the pixels, as in the data the paper describes (Section 3.1.1).
"""

import numpy as np
from scipy.ndimage import gaussian_filter

Shape = tuple[int, int]


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma) -> np.ndarray:
    """Smooth noise with zero mean and unit standard deviation."""
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return (field - field.mean()) / (field.std() + 1e-9)


def _blob(
    rng: np.random.Generator, shape: Shape, centre, radii, angle: float, wobble: float
) -> np.ndarray:
    """Signed distance-like field of an ellipse with a wavy outline: 1 at the centre, 0 on it."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    dy, dx = y - centre[0], x - centre[1]
    u = (np.cos(angle) * dy + np.sin(angle) * dx) / radii[0]
    v = (-np.sin(angle) * dy + np.cos(angle) * dx) / radii[1]
    theta = np.arctan2(u, v)
    outline = sum(
        rng.normal(0, wobble / k) * np.cos(k * theta + rng.uniform(0, 2 * np.pi))
        for k in range(2, 6)
    )
    return 1 - np.hypot(u, v) / (1 + outline)


def polyp_phantom(rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Draw one colonoscopy-like photograph.

    Args:
        rng: the source of every random choice.
        shape: height and width in pixels.

    Returns:
        The image (H, W, 3) uint8 and its polyp mask (H, W) uint8 of 0 and 1.
    """
    height, width = shape
    scale = min(shape)
    y, x = np.mgrid[:height, :width].astype(float)

    # Mucosa: a warm base colour, mottled, with folds as soft rings around the dark lumen.
    lumen = np.array([rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width])
    distance = np.hypot(y - lumen[0], x - lumen[1]) / scale
    bend = 0.05 * _noise(rng, shape, scale / 6)
    folds = np.cos(2 * np.pi * (distance + bend) * rng.uniform(1.5, 2.5) + rng.uniform(0, 6))
    light = 0.60 + 0.06 * folds + 0.03 * _noise(rng, shape, scale / 10)
    light = light * (1 - 0.75 * np.exp(-((distance / rng.uniform(0.10, 0.20)) ** 2)))
    hue = np.array([1.0, rng.uniform(0.54, 0.60), rng.uniform(0.42, 0.48)])

    # The polyp: a dome lit from the camera, redder or paler than its surroundings. It avoids the
    # lumen and the dark corners, as a polyp that somebody photographed does.
    area = height * width * rng.beta(1.6, 1.6) * 0.085 + height * width * 0.012
    ratio = rng.uniform(0.7, 1.0)
    radii = np.sqrt(area / np.pi) * np.array([ratio, 1 / ratio])
    for _ in range(50):
        centre = np.array([rng.uniform(0.22, 0.78) * height, rng.uniform(0.22, 0.78) * width])
        if np.hypot(*(centre - lumen)) > 0.22 * scale + radii.max():
            break
    dome = _blob(rng, shape, centre, radii, rng.uniform(0, np.pi), 0.09)
    mask = dome > 0
    height_of_dome = np.sqrt(np.clip(dome, 0, 1))
    inside = np.clip(dome * radii.min() / 1.5 + 0.5, 0, 1)  # soft over about one pixel and a half
    shading = 0.56 + 0.30 * height_of_dome + 0.03 * _noise(rng, shape, scale / 40)
    tint = hue * np.array([1.06, rng.uniform(0.58, 0.76), rng.uniform(0.64, 0.82)])
    rim = np.exp(-((dome / 0.10) ** 2)) * 0.12

    image = light[..., None] * hue * (1 - inside[..., None]) + (
        shading[..., None] * tint * inside[..., None]
    )
    image = image - rim[..., None] * hue

    # Specular spots, on the dome first, and the vignette of the scope's round aperture.
    for spot in range(rng.integers(3, 7)):
        on_dome, anywhere = centre + rng.normal(0, 0.4, 2) * radii, rng.uniform(0.1, 0.9, 2) * shape
        near = on_dome if spot < 2 else anywhere
        size = rng.uniform(0.008, 0.022) * scale
        image += 0.8 * np.exp(-(((y - near[0]) ** 2 + (x - near[1]) ** 2) / size**2))[..., None]
    radius = np.hypot((y / height - 0.5) * 2, (x / width - 0.5) * 2)
    image *= (1 - 0.25 * radius[..., None] ** 2) * np.clip((1.22 - radius) / 0.06, 0, 1)[..., None]
    image += rng.normal(0, 0.008, image.shape)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8), mask.astype(np.uint8)


def kidney_phantom(
    rng: np.random.Generator, shape: tuple[int, int, int], tumour: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one CT-like volume of the abdomen, in the array order of KiTS19.

    Args:
        rng: the source of every random choice.
        shape: (slices, height, width).
        tumour: whether one of the kidneys carries a tumour.

    Returns:
        The volume (slices, H, W) int16 in Hounsfield units, and its labels (slices, H, W) uint8:
        0 background, 1 kidney, 2 tumour.
    """
    depth, height, width = shape
    z, y, x = np.mgrid[:depth, :height, :width].astype(float)
    z, y, x = z / max(depth - 1, 1) * 2 - 1, y / height * 2 - 1, x / width * 2 - 1
    texture = _noise(rng, shape, (0.5, 1.0, 1.0))

    def ellipsoid(cz, cy, cx, rz, ry, rx):
        return np.sqrt(((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2)

    body_y, body_x = rng.uniform(0.76, 0.86), rng.uniform(0.90, 0.98)
    body = np.hypot(y / body_y, x / body_x)
    volume = np.full(shape, -1000.0)
    volume[body < 1.0] = -105.0  # subcutaneous fat
    volume[body < 0.88] = 55.0  # muscle
    volume[body < 0.78] = -95.0  # fat around the organs
    volume += 12 * texture * (body < 1.0)

    liver = ellipsoid(-0.5, -0.22, -0.44, 1.6, 0.38, 0.36)
    volume = np.where(liver < 1, 105 + 8 * texture, volume)
    gut = _noise(rng, shape, (1.0, height / 14, width / 14))
    abdomen = np.hypot((y + 0.22) / 0.30, (x - 0.18) / 0.48) < 1
    volume = np.where(abdomen & (liver >= 1) & (gut > 0.1), 40 + 25 * gut, volume)

    spine = np.hypot((y - 0.34) / 0.13, x / 0.13)
    volume = np.where(spine < 1, 420 + 60 * texture, volume)
    volume = np.where(np.hypot((y - 0.37) / 0.05, x / 0.05) < 1, 30.0, volume)
    aorta = np.hypot((y - 0.16) / 0.055, (x - 0.05) / 0.055)
    volume = np.where(aorta < 1, 200.0, volume)

    labels = np.zeros(shape, np.uint8)
    side_of_tumour = rng.integers(2) if tumour else -1
    for side, sign in enumerate((-1, 1)):
        cy, cx = rng.uniform(0.22, 0.30), sign * rng.uniform(0.38, 0.46)
        ry, rx = rng.uniform(0.20, 0.26), rng.uniform(0.14, 0.18)
        outline = 0.05 * _noise(rng, shape, (0.6, height / 20, width / 20))
        kidney = ellipsoid(rng.uniform(-0.2, 0.2), cy, cx, 1.1, ry, rx) + outline
        volume = np.where(kidney < 1, 175 + 15 * texture, volume)
        pelvis = np.hypot((y - cy) / (0.40 * ry), (x - cx + sign * 0.45 * rx) / (0.45 * rx))
        volume = np.where((kidney < 0.9) & (pelvis < 1), 25.0, volume)
        labels[kidney < 1] = 1
        if side == side_of_tumour:
            r = rng.uniform(0.10, 0.18)
            ty, tx = cy + rng.uniform(-0.6, 0.6) * ry, cx + sign * 0.8 * rx
            lump = ellipsoid(rng.uniform(-0.3, 0.3), ty, tx, rng.uniform(0.5, 0.8), r, r)
            lump = lump + outline
            volume = np.where(lump < 1, 85 + 22 * texture, volume)
            labels[lump < 1] = 2
    volume += rng.normal(0, 10, shape)
    return np.clip(volume, -1024, 1500).astype(np.int16), labels
