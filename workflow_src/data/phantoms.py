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

    # Mucosa: a warm base colour, with vessels, and folds as rings around the dark lumen.
    lumen = np.array([rng.uniform(0.2, 0.8) * height, rng.uniform(0.2, 0.8) * width])
    distance = np.hypot(y - lumen[0], x - lumen[1]) / scale
    bend = 0.04 * _noise(rng, shape, scale / 6)
    phase = 2 * np.pi * (distance + bend) * rng.uniform(1.5, 2.5) + rng.uniform(0, 6)
    folds = np.exp(2 * np.sin(phase) - 2) - np.exp(4 * np.sin(phase - 0.9) - 4)  # crest and shadow
    light = 0.62 + 0.14 * folds + 0.02 * _noise(rng, shape, scale / 10)
    light = light * (1 - 0.75 * np.exp(-((distance / rng.uniform(0.10, 0.20)) ** 2)))
    hue = np.array([1.0, rng.uniform(0.54, 0.60), rng.uniform(0.42, 0.48)])
    vessels = np.exp(-((_noise(rng, shape, scale / 14) / 0.09) ** 2))
    vessels *= np.clip(_noise(rng, shape, scale / 8), 0, 1)  # in patches

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

    mucosa = light[..., None] * hue * (1 - vessels[..., None] * [0.08, 0.22, 0.18])
    image = mucosa * (1 - inside[..., None]) + shading[..., None] * tint * inside[..., None]
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
    ribs = (np.abs(body - 0.83) < 0.035) & (np.cos(9 * np.arctan2(y, x) + 3 * z) > 0.75)
    volume[ribs & (y < 0.4)] = 380.0
    cavity = body < 0.78
    volume[cavity] = -95.0  # fat around the organs
    volume += 12 * texture * (body < 1.0)

    wavy = 0.10 * _noise(rng, shape, (1.0, height / 12, width / 12))
    gut = _noise(rng, shape, (1.0, height / 22, width / 22))
    abdomen = np.hypot((y + 0.16) / 0.34, (x - 0.16) / 0.46) < 1
    volume = np.where(abdomen & (gut > 0.2), 45 + 12 * texture, volume)
    stomach = ellipsoid(-0.4, -0.34, rng.uniform(0.22, 0.34), 1.1, 0.22, 0.24) + wavy
    volume = np.where(cavity & (stomach < 1), 40 + 6 * texture, volume)
    gas = (stomach < 0.85) & (y < rng.uniform(-0.46, -0.36))  # above a level: the patient lies
    volume = np.where(cavity & gas, -850.0, volume)
    right_lobe = ellipsoid(-0.5, -0.16, -0.50, 1.6, 0.44, 0.32) + wavy
    left_lobe = ellipsoid(-0.8, -0.42, -0.12, 1.3, 0.20, 0.36) + wavy
    liver = cavity & (np.minimum(right_lobe, left_lobe) < 1)
    volume = np.where(liver, 105 + 8 * texture, volume)
    spleen = ellipsoid(-0.7, 0.0, 0.66, 1.2, 0.28, 0.16) + wavy
    volume = np.where(cavity & (spleen < 1), 120 + 8 * texture, volume)

    volume = np.where(np.hypot((y - 0.46) / 0.06, x / 0.24) < 1, 330.0, volume)  # its processes
    volume = np.where(np.hypot((y - 0.54) / 0.12, x / 0.04) < 1, 380.0, volume)
    spine = np.hypot((y - 0.32) / 0.13, x / 0.15)
    volume = np.where(spine < 1, 320 + 60 * texture + 160 * (spine > 0.8), volume)
    volume = np.where(np.hypot((y - 0.46) / 0.05, x / 0.06) < 1, 30.0, volume)
    for vessel_x, size in ((0.07, 0.055), (-0.10, 0.06)):  # aorta, vena cava
        vessel = np.hypot((y - 0.13) / size, (x - vessel_x) / size)
        volume = np.where(vessel < 1, 200.0, volume)

    labels = np.zeros(shape, np.uint8)
    side_of_tumour = rng.integers(2) if tumour else -1
    for side, sign in enumerate((-1, 1)):
        cy, cx = rng.uniform(0.22, 0.30), sign * rng.uniform(0.38, 0.46)
        ry, rx = rng.uniform(0.20, 0.26), rng.uniform(0.14, 0.18)
        outline = 0.05 * _noise(rng, shape, (0.6, height / 20, width / 20))
        kidney = ellipsoid(rng.uniform(-0.2, 0.2), cy, cx, 1.5, ry, rx) + outline
        volume = np.where(kidney < 1.3, -95 + 12 * texture, volume)  # the fat around it
        volume = np.where(kidney < 1, 190 + 15 * texture, volume)
        pelvis = np.hypot((y - cy) / (0.40 * ry), (x - cx + sign * 0.45 * rx) / (0.45 * rx))
        volume = np.where((kidney < 0.9) & (pelvis < 1), 25.0, volume)
        labels[kidney < 1] = 1
        if side == side_of_tumour:
            r = rng.uniform(0.10, 0.18)
            ty, tx = cy + rng.uniform(-0.6, 0.6) * ry, cx + sign * 0.8 * rx
            lump = ellipsoid(rng.uniform(-0.3, 0.3), ty, tx, rng.uniform(0.5, 0.8), r, r)
            lump = lump + outline
            around = (lump < 1.25) & (body < 0.78) & (kidney >= 1)
            volume = np.where(around, -95 + 12 * texture, volume)
            volume = np.where(lump < 1, 85 + 22 * texture, volume)
            labels[lump < 1] = 2
    volume += rng.normal(0, 10, shape)
    return np.clip(volume, -1024, 1500).astype(np.int16), labels
