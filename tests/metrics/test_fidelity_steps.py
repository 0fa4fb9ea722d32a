"""The steps that extract features and score sets by them, on drawn polyps."""

import json
import shutil

import numpy as np
import pytest

from workflow_src import extract_features, gather_samples, score_fidelity, score_floors
from workflow_src.common.errors import InputError
from workflow_src.common.hashing import file_sha256
from workflow_src.common.outputs import write_json
from workflow_src.data.prepared import PreparedSet
from workflow_src.metrics.fidelity import frechet_distance

pytestmark = pytest.mark.usefixtures("one_thread")
LITE0 = {"lite0": {"side": 32}}


@pytest.fixture(scope="module")
def features(polyps, one_thread, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    extract_features.main(polyps.folder, folder, LITE0)
    return folder


@pytest.fixture(scope="module")
def floors(polyps, features, tmp_path_factory):
    folder = tmp_path_factory.mktemp("floors")
    score_floors.main(polyps.folder, features, folder)
    return folder


@pytest.fixture(scope="module")
def synthetic(polyps, tmp_path_factory):
    """A function that makes a synthetic set of given images; its folder out."""

    def make(name: str, images: np.ndarray):
        folder = tmp_path_factory.mktemp(name)
        parts = {"images": images, "masks": polyps.masks[polyps.rows("train")],
                 "numbers": np.arange(11)}  # fmt: skip
        (folder / "shard").mkdir()
        for part, array in parts.items():
            np.save(folder / "shard" / f"{part}.npy", array)
        files = {f.name: file_sha256(f) for f in (folder / "shard").iterdir()}
        write_json(folder / "shard" / "shard.json", {"files": files})
        gather_samples.main(polyps.folder, [folder / "shard"], folder / "set", name)
        return folder / "set"

    return make


@pytest.fixture(scope="module")
def copying(polyps, synthetic):
    return synthetic("copying", polyps.images[polyps.rows("train")])


@pytest.fixture
def score(polyps, features, floors, tmp_path):
    """A function that scores a synthetic set; its metrics out."""

    def read(folder, features=features):
        output = tmp_path / "fidelity.json"
        score_fidelity.main(folder, polyps.folder, features, floors, output, LITE0)
        return json.loads(output.read_text())

    return read


def test_features_are_of_all_images_and_say_what_made_them(polyps, features):
    with np.load(features / "features.npz") as found:
        assert found["lite0"].shape == (len(polyps), 1280)
    facts = json.loads((features / "features.json").read_text())
    assert facts["data"] == polyps.meta["sha256"]
    assert facts["extractors"]["lite0"]["resize"] == "bicubic to 32, antialiased"


def test_a_perfect_copy_scores_perfectly_and_is_called_a_copy(polyps, copying, score):
    found = score(copying)
    lite0 = found["lite0"]
    assert lite0["distance"] == pytest.approx(0, abs=1e-6)
    assert lite0["similarity_paired"] == pytest.approx(1.0)
    assert lite0["similarity"] < 1.0
    assert lite0["precision"] == lite0["recall"] == lite0["coverage"] == 1.0
    assert lite0["copies"] == 1.0
    assert (found["real_images"], found["images"]) == (11, 11)
    assert lite0["extractor"] == "EfficientNet-Lite0"
    train = polyps.rows("train").tolist()
    for number, row, apart in lite0["closest_pairs"]:
        assert row == train[number] and apart == pytest.approx(0, abs=1e-3)


def test_noise_is_far_and_no_copy(copying, synthetic, score):
    noise = np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)
    far, near = (score(folder)["lite0"] for folder in (synthetic("noise", noise), copying))
    assert far["distance"] > 10 * max(near["distance"], 1)
    assert far["copies"] == far["precision"] == 0.0
    assert np.mean(far["by_images"]["5"]) > 2 * np.mean(near["by_images"]["5"])


def test_floors_are_halves_of_the_training_images_and_test_images(polyps, features, floors):
    halves, tested = (
        json.loads((floors / f"real_{of}.json").read_text()) for of in ("halves", "test")
    )
    assert halves["images"] == 5 and tested["images"] == 5
    drawn = halves["lite0"]["by_images"]["5"]
    assert len(drawn) == 10 and len(set(drawn)) > 1
    assert halves["lite0"]["distance"] == pytest.approx(np.mean(drawn))
    with np.load(features / "features.npz") as found:
        real = found["lite0"][polyps.rows("train")]
    order = np.random.default_rng([5, 0]).permutation(11)
    first = frechet_distance(real[order[:5]], real[order[5:10]])
    assert drawn[0] == pytest.approx(first)
    assert tested["lite0"]["copies"] == 0.0  # the closest of them sets the bound
    number, row, apart = tested["lite0"]["closest_pairs"][0]
    assert apart >= tested["lite0"]["closest_real"] > 0
    assert polyps.index.split[[number, row]].tolist() == ["test", "train"]


def test_fewer_synthetic_images_are_compared_with_as_few_real_ones(polyps, features, tmp_path):
    score_floors.main(polyps.folder, features, tmp_path, per_mask=0.3)
    halves = json.loads((tmp_path / "real_halves.json").read_text())
    assert halves["images"] == 3 and list(halves["lite0"]["by_images"]) == ["3"]


def test_the_closest_real_image_is_of_another_case_and_no_duplicate(polyps, features):
    with np.load(features / "features.npz") as found:
        features = found["lite0"]
    train, held_out = polyps.rows("train"), polyps.rows("val", "test")
    apart = np.sqrt(np.square(features[held_out, None] - features[train]).sum(axis=2))
    one, other = np.unravel_index(apart.argmin(), apart.shape)
    assert score_floors.closest_real(features, polyps) == pytest.approx(apart.min(), rel=1e-4)
    renamed = PreparedSet(polyps.folder)
    renamed.index.loc[held_out[one], "case"] = renamed.index.case[train[other]]
    apart[one, other] = np.inf
    assert score_floors.closest_real(features, renamed) == pytest.approx(apart.min(), rel=1e-4)
    renamed.index.loc[held_out[one], "duplicate_of"] = "a/b"
    apart[one] = np.inf
    assert score_floors.closest_real(features, renamed) == pytest.approx(apart.min(), rel=1e-4)
    renamed.index.loc[held_out, "split"] = "train"
    assert score_floors.closest_real(features, renamed) is None


def test_features_of_another_set_or_extractor_are_refused(
    polyps, copying, features, score, tmp_path
):
    shutil.copy(features / "features.npz", tmp_path)
    facts = json.loads((features / "features.json").read_text())
    other = facts | {"extractors": {"lite0": facts["extractors"]["lite0"] | {"resize": "none"}}}
    write_json(tmp_path / "features.json", other)
    with pytest.raises(InputError, match="made by other extractors: extract the features again"):
        score(copying, tmp_path)
    write_json(tmp_path / "features.json", facts | {"data": {}})
    with pytest.raises(InputError, match="was not made from the set whose features are in"):
        score(copying, tmp_path)
    with pytest.raises(InputError, match="was made from another set than"):
        score_floors.main(polyps.folder, tmp_path, tmp_path / "floors")
    (tmp_path / "features.npz").write_bytes(b"cut off")
    with pytest.raises(InputError, match="features.npz"):
        score(copying, tmp_path)
