"""Predicting with a trained segmenter: any image size, and model files that do not fit."""

import numpy as np
import pytest
import torch

from workflow_src import predict_segmenter
from workflow_src.common.errors import InputError
from workflow_src.data.predictions import Predictions
from workflow_src.data.prepared import resize_image
from workflow_src.segmentation.batches import MEAN, STD, normalised
from workflow_src.segmentation.prediction import TrainedSegmenter
from workflow_src.study.registries import SEGMENTERS


@pytest.mark.parametrize(("said", "given"), [("mkunet", "order"), ("order", "unext")])
def test_weights_of_another_architecture_are_refused_by_name(untrained, said, given):
    folder = untrained(said, weights_from=given)
    with pytest.raises(InputError, match=rf"does not fit the {said} of its recipe\.json") as error:
        TrainedSegmenter(folder, "cpu")
    (line,) = str(error.value).splitlines()
    assert line.startswith(str(folder / "model.safetensors"))
    assert len(line.removeprefix(str(folder))) < 250  # not every weight that is wrong


def test_a_folder_without_a_model_is_said(tmp_path):
    with pytest.raises(InputError, match=r"holds no trained segmenter.*train_segmenter"):
        TrainedSegmenter(tmp_path, "cpu")


def test_a_model_of_another_kind_is_refused_by_name(untrained):
    folder = untrained("order")
    facts = (folder / "recipe.json").read_text().replace('"segmenter"', '"nnunet"')
    (folder / "recipe.json").write_text(facts)
    with pytest.raises(InputError, match=r"order_model holds a model of the kind nnunet"):
        TrainedSegmenter(folder, "cpu")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"weights"', '"checksum"', r"another version .*no 'weights'"),
        ('"optimizer"', '"optimiser"', r"another version .*optimiser is not a known key"),
        ("}", "", r"is damaged \("),
    ],
)
def test_a_recipe_that_is_cut_off_or_of_another_version_is_named(untrained, old, new, words):
    file = untrained("order") / "recipe.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=rf"order_model/recipe\.json .*{words}"):
        TrainedSegmenter(file.parent, "cpu")


@pytest.mark.parametrize(("images", "words"), [(3, "lower --batch"), (1, "give smaller ones")])
def test_memory_that_is_too_small_names_the_remedy(untrained, monkeypatch, images, words):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    trained = TrainedSegmenter(untrained("mkunet"), "cpu")
    monkeypatch.setattr(trained.model, "forward", full)
    with pytest.raises(InputError, match=f"too small for {images} images at once: {words}"):
        trained.predict(np.zeros((images, 32, 32, 3), np.uint8), [(32, 32)] * images)


def test_a_damaged_weight_file_is_named(untrained):
    file = untrained("order") / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"model\.safetensors was changed or damaged"):
        TrainedSegmenter(file.parent, "cpu")


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("size", [(20, 27), (33, 64), (47, 61)])
def test_models_trained_on_crops_take_images_of_any_size(untrained, name, size):
    # Some of them smaller than the network's stride of 32.
    model = TrainedSegmenter(untrained(name, fit="crop"), "cpu")
    image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    (found,) = model.predict(image, [size])
    assert found.shape == size
    padded = np.zeros((1, *(-(-side // 32) * 32 for side in size), 3), np.uint8)
    padded[:, : size[0], : size[1]] = image
    with torch.no_grad():
        logits = model.model.network(normalised(torch.from_numpy(padded).permute(0, 3, 1, 2)))
    expected = torch.sigmoid(logits)[0, 0, : size[0], : size[1]]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_predictions_come_back_at_the_original_size(polyps, native_polyps, untrained, tmp_path):
    folder = untrained("egeunet")
    for run, prepared in (("resized", polyps), ("native", native_polyps)):
        predict_segmenter.main(folder, prepared.folder, tmp_path / run, batch=4)
        predictions = Predictions(tmp_path / run, prepared)
        assert predictions.rows == prepared.rows("test").tolist()
        for number, row in enumerate(predictions.rows):
            assert predictions.levels(number).shape == prepared.shape(row)


def test_images_come_to_the_network_as_training_images_did(native_polyps, untrained):
    model, seen = TrainedSegmenter(untrained("egeunet"), "cpu"), []
    model.model.network.register_forward_pre_hook(lambda network, inputs: seen.extend(inputs))
    image = native_polyps.image(0)
    model.predict(image[None], [image.shape[:2]])
    prepared = torch.tensor(resize_image(image, 32)).permute(2, 0, 1)[None]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    levels = ((seen[0] * std + mean) * 255).round()
    # Pillow rounds between its two passes: by a level at most.
    assert (levels - prepared).abs().max() <= 1


def test_grey_images_are_predicted_as_their_three_channels(untrained):
    model = TrainedSegmenter(untrained("mkunet"), "cpu")
    grey = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    sizes = [(40, 30), (10, 64)]
    for one, other in zip(
        model.predict(grey, sizes), model.predict(grey.repeat(3, axis=3), sizes), strict=True
    ):
        np.testing.assert_array_equal(one, other)
