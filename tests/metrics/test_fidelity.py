"""FID, KID and CLIP-I against cases computed otherwise, and the extractors under them."""

import json

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from workflow_src import extract_features, gather_samples, score_fidelity
from workflow_src.common.errors import InputError
from workflow_src.common.outputs import write_json
from workflow_src.data.prepared import PreparedSet
from workflow_src.metrics.features import RandomConvolutions, extract, make_extractor
from workflow_src.metrics.fidelity import clip_i, frechet_distance, kernel_distance

pytestmark = pytest.mark.usefixtures("one_thread")


def exactly_normal(count: int, mean: np.ndarray, root: np.ndarray, seed: int = 0) -> np.ndarray:
    """Features whose sample mean is exactly `mean` and sample covariance `root.T @ root`."""
    x = np.random.default_rng(seed).normal(size=(count, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ root + mean


def test_fid_of_a_set_with_itself_is_nothing():
    features = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(features, features[::-1]) == pytest.approx(0, abs=1e-4)


def test_fid_of_a_shifted_set_is_the_shift_squared():
    features = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    assert frechet_distance(features, features + 0.5) == pytest.approx(16 * 0.25, rel=1e-3)


def test_fid_of_two_normal_sets_is_the_closed_form():
    # Axes apart: |mu|^2 + the sum of (sigma - sigma')^2 = (1 + 4) + (1 - 3)^2 + (2 - 2)^2 = 9.
    one = exactly_normal(300, np.zeros(2), np.diag([1.0, 2.0]))
    other = exactly_normal(500, np.array([1.0, 2.0]), np.diag([3.0, 2.0]), seed=1)
    assert frechet_distance(one, other) == pytest.approx(9.0, rel=1e-4)


def test_fid_of_tilted_sets_agrees_with_scipys_matrix_root():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 5, 5))
    one, other = exactly_normal(300, np.zeros(5), a), exactly_normal(400, np.ones(5), b, seed=3)
    ours, theirs = a.T @ a, b.T @ b
    expected = 5.0 + np.trace(ours + theirs - 2 * sqrtm(ours @ theirs).real)
    assert expected > 8
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(other, one) == pytest.approx(expected, rel=1e-4)


def test_kid_is_the_unbiased_distance_under_a_cubic_kernel():
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(size=(40, 8)), rng.normal(size=(40, 8)) + 0.5

    def kernel(x, y):
        return (x @ y.T / 8 + 1) ** 3

    def without_diagonal(k):
        return (k.sum() - np.trace(k)) / (40 * 39)

    within = without_diagonal(kernel(real, real)) + without_diagonal(kernel(synthetic, synthetic))
    expected = within - 2 * kernel(real, synthetic).mean()
    found = kernel_distance(real, synthetic)
    assert found["kid"] == pytest.approx(expected, rel=1e-6)
    assert found["kid_subset_size"] == 40  # all there are: each subset is the whole
    assert found["kid_deviation"] == pytest.approx(0, abs=1e-9)


def test_kid_of_a_set_with_its_like_is_about_nothing_and_of_a_shifted_one_more():
    real, like = 0.3 * np.random.default_rng(0).normal(size=(2, 100, 8))
    itself, same, near, far = (
        kernel_distance(real, other)["kid"] for other in (real, like, like + 0.2, like + 0.6)
    )
    assert abs(itself) < 0.01 and abs(same) < 0.01
    assert 0.05 < near < far


def test_clip_i_is_the_cosine_over_all_pairs_and_over_the_given_ones():
    real, synthetic = np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([[1.0, 0.0], [5.0, 5.0]])
    # cosines 1 and 0 of the first, 0.707107 twice of the second
    found = clip_i(real, synthetic, np.array([0, 1]))
    assert found["clip_i"] == pytest.approx((1 + 0 + 0.707107 + 0.707107) / 4)
    assert found["clip_i_paired"] == pytest.approx((1 + 0.707107) / 2)
    swapped = clip_i(real, synthetic, np.array([1, 1]))["clip_i_paired"]
    assert swapped == pytest.approx((0 + 0.707107) / 2)


def test_the_stand_in_says_what_it_is():
    for kind in ("inception", "clip"):
        assert make_extractor(kind, "stand-in", "cpu").name.startswith("stand-in")


def test_the_stand_in_is_the_same_everywhere_and_in_any_batch():
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    one = extract(RandomConvolutions(), images, 7, "cpu")
    assert one.shape == (7, 64) and one.dtype == np.float32
    state = torch.get_rng_state()
    np.testing.assert_allclose(extract(RandomConvolutions(), images, 2, "cpu"), one, atol=1e-5)
    assert torch.equal(torch.get_rng_state(), state)  # it draws from a generator of its own
    assert np.linalg.norm(one[0] - one[1]) > 0.1


def test_grey_images_are_taken_as_three_equal_channels():
    grey = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    extractor = RandomConvolutions()
    np.testing.assert_allclose(extract(extractor, grey, 3, "cpu"),
                               extract(extractor, grey.repeat(3, axis=3), 3, "cpu"))  # fmt: skip


def test_the_stand_in_puts_worse_images_farther_away(polyps):
    images = polyps.images[polyps.rows("train")].astype(float)
    noise = np.random.default_rng(0).normal(size=images.shape)
    extractor = RandomConvolutions()
    real = extract(extractor, images.astype(np.uint8), 32, "cpu")
    distances = []
    for strength in (5, 20, 80):
        worse = (images + strength * noise).clip(0, 255).astype(np.uint8)
        distances.append(frechet_distance(real, extract(extractor, worse, 32, "cpu")))
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize("kind", ["inception", "clip"])
def test_missing_weights_are_named_with_the_remedy(kind, tmp_path):
    with pytest.raises(InputError) as raised:
        make_extractor(kind, str(tmp_path / "weights.pth"), "cpu")
    message = str(raised.value)
    assert f"{tmp_path / 'weights.pth'} does not exist: give your own" in message
    assert f"metrics.{kind}.path" in message and "stand-in" in message


@pytest.mark.parametrize("kind", ["inception", "clip"])
def test_damaged_weights_are_named_with_the_remedy(kind, tmp_path):
    files = {"junk.pth": b"junk", "cut.safetensors": (99).to_bytes(8, "little") + b"{"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"conv.weight": torch.zeros(2)}, tmp_path / "other.pth")
    for file in tmp_path.iterdir():
        with pytest.raises(InputError, match="is damaged or holds other weights") as raised:
            make_extractor(kind, str(file), "cpu")
        message = str(raised.value)
        assert str(file) in message and f"metrics.{kind}.path" in message and "\n" not in message


@pytest.fixture
def copies(polyps, tmp_path):
    """A synthetic set that is a copy of the real one: its folder."""
    rows = polyps.rows("train")
    shard = tmp_path / "shard"
    shard.mkdir()
    parts = {"images": polyps.images[rows], "masks": polyps.masks[rows], "numbers": np.arange(11)}
    for part, array in parts.items():
        np.save(shard / f"{part}.npy", array)
    gather_samples.main(polyps.folder, [shard], tmp_path / "copies", "copying")
    return tmp_path / "copies"


def test_a_perfect_copy_scores_perfectly_and_the_extractor_goes_with_it(polyps, copies, tmp_path):
    extract_features.main(polyps.folder, tmp_path / "real", "stand-in", "stand-in")
    score_fidelity.main(copies, tmp_path / "real", tmp_path / "f.json", "stand-in", "stand-in")
    score = json.loads((tmp_path / "f.json").read_text())
    # 64 features of 11 images: the root of a singular matrix is known to some digits only
    assert score["fid"] == pytest.approx(0, abs=1e-2)
    assert score["clip_i_paired"] == pytest.approx(1.0)
    assert score["clip_i"] < 1.0
    assert (score["real_images"], score["synthetic_images"], score["kid_subset_size"]) == (11,) * 3
    assert all("stand-in" in score[kind]["extractor"] for kind in ("inception", "clip"))


def test_features_of_another_set_or_extractor_are_refused(polyps, copies, tmp_path):
    extract_features.main(polyps.folder, tmp_path / "real", "stand-in", "stand-in")
    facts = json.loads((tmp_path / "real" / "features.json").read_text())
    arguments = (copies, tmp_path / "real", tmp_path / "f.json", "stand-in", "stand-in")
    other = facts | {"inception": {"extractor": "another", "resize": "none"}}
    write_json(tmp_path / "real" / "features.json", other)
    with pytest.raises(InputError, match="made by other extractors: extract the features again"):
        score_fidelity.main(*arguments)
    write_json(tmp_path / "real" / "features.json", facts | {"data": {}})
    with pytest.raises(InputError, match="was not made from the set whose features are in"):
        score_fidelity.main(*arguments)
    assert PreparedSet(copies).meta["conditioned_on"] == facts["data"]
