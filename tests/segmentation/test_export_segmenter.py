"""Exported segmenters: the file's outputs are the model's, at every size, or there is no file.

MK-UNet is ORDER without its attention, and is not exported once more.
"""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from workflow_src import export_segmenter
from workflow_src.common.errors import InputError
from workflow_src.segmentation import exporting
from workflow_src.segmentation.exporting import adaptive_average
from workflow_src.segmentation.prediction import FromPixels, TrainedSegmenter

pytestmark = pytest.mark.usefixtures("one_thread")
# Two levels are exported sooner than five. Its grid is 24, and less where images are small.
SHALLOW = {"channels": [8, 8], "stages": [0], "grid": 24, "width": 16}
SHAPES = [(1, 20, 27), (3, 33, 64), (2, 160, 131)]  # smaller than the stride; odd; another batch


@pytest.mark.parametrize("size", [(32, 32), (7, 5), (40, 57), (3, 1)])
def test_pooling_as_products_is_adaptive_pooling(size):
    x = torch.randn(2, 3, 40, 57, dtype=torch.double)
    torch.testing.assert_close(adaptive_average(x, size), F.adaptive_avg_pool2d(x, size))


class FirstChannel(torch.nn.Module):
    def forward(self, x):
        return x[:, :1] * 1.0


@pytest.mark.slow
def test_what_comes_before_the_network_leaps_nowhere(tmp_path):
    # A trained network shows every leap of a level, which an untrained one may hide.
    model, file = FromPixels(FirstChannel(), 256).eval(), tmp_path / "model.onnx"
    exporting.write_onnx(model, file, {})
    for shape in ((2, 256, 256), (1, 293, 267)):
        assert exporting.largest_difference(model, file, shape) < 1e-4


def exported(folder: Path) -> onnxruntime.InferenceSession:
    export_segmenter.main(folder, folder / "made" / "model.onnx")
    assert [f.name for f in (folder / "made").iterdir()] == ["model.onnx"]
    return onnxruntime.InferenceSession(folder / "made" / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("order", {"fit": "crop", "options": SHALLOW}),
        ("unext", {}),
        ("egeunet", {}),
    ],
)
def test_exported_segmenters_find_what_the_models_find(untrained, name, settings):
    folder = untrained(name, **settings)
    session, trained = exported(folder), TrainedSegmenter(folder, "cpu")
    (image,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type) == ("image", "tensor(uint8)")
    assert image.shape == ["batch", 3, "height", "width"]
    assert (logits.name, logits.type) == ("logits", "tensor(float)")
    assert session.get_modelmeta().custom_metadata_map["weights"] == trained.weights
    for batch, height, width in SHAPES:
        images = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
        pixels = images.transpose(0, 3, 1, 2)
        (found,) = session.run(None, {"image": pixels})
        with torch.no_grad():
            expected = trained.model(torch.tensor(pixels)).numpy()
        tolerance = 1e-4 * max(1, np.abs(expected).max())
        assert np.ptp(expected) > 100 * tolerance
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
        masks = trained.predict(images, [(height, width)] * batch)
        clear = np.abs(expected[:, 0]) > tolerance
        assert np.array_equal((found[:, 0] > 0)[clear], (np.stack(masks) > 0.5)[clear])


@pytest.mark.slow
def test_a_file_that_differs_from_the_model_is_not_kept(untrained, tmp_path, monkeypatch):
    def differs(model, file, facts):
        real(FromPixels(FirstChannel(), 32).eval(), file, facts)

    real = exporting.write_onnx
    monkeypatch.setattr(exporting, "write_onnx", differs)
    output = tmp_path / "made" / "model.onnx"
    with pytest.raises(FloatingPointError, match=r"model\.onnx is not written: its logits differ"):
        export_segmenter.main(untrained("unext"), output)
    assert not list(output.parent.iterdir())


def test_what_cannot_be_exported_is_refused_by_name(untrained, tmp_path):
    with pytest.raises(InputError, match=r"model\.pt must end in \.onnx"):
        export_segmenter.main(untrained("mkunet"), tmp_path / "model.pt")
    with pytest.raises(InputError, match="holds no trained segmenter"):
        export_segmenter.main(tmp_path, tmp_path / "model.onnx")
    folder = untrained("order")
    shutil.copy(tmp_path / "mkunet_model" / "model.safetensors", folder)
    with pytest.raises(InputError, match=r"order_model/model\.safetensors was changed or damaged"):
        export_segmenter.main(folder, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
