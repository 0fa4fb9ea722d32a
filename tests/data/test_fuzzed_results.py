"""Result files that were damaged: the same numbers, or one line that names a file."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src import predict_segmenter
from workflow_src.common.errors import InputError
from workflow_src.data.predictions import Predictions
from workflow_src.data.prepared import PreparedSet


@pytest.fixture
def finished(polyps, untrained, tmp_path) -> Path:
    """A prepared set, a model and its predictions of that set."""
    folder = tmp_path / "finished"
    shutil.copytree(polyps.folder, folder / "data")
    shutil.copytree(untrained("unext"), folder / "model")
    predict_segmenter.main(folder / "model", folder / "data", folder / "predictions")
    return folder


def read(folder: Path) -> list[bytes]:
    """All that a later step would read of these results."""
    prepared = PreparedSet(folder / "data")
    predicted = Predictions(folder / "predictions", prepared)
    levels = [predicted.levels(number).tobytes() for number in range(len(predicted.rows))]
    pixels = [part(row).tobytes() for row in range(len(prepared))
              for part in (prepared.image, prepared.mask)]  # fmt: skip
    originals = [prepared.original_mask(row).tobytes() for row in prepared.rows("test")]
    predict_segmenter.main(folder / "model", folder / "data", folder / "again")
    again = (folder / "again" / "levels.npy").read_bytes()
    return [*levels, *pixels, *originals, again, prepared.index.to_csv().encode()]


def test_damaged_results_are_named_or_read_as_they_were(finished):
    files = sorted(p for p in finished.rglob("*") if p.is_file() and not p.name.startswith("."))
    files = [p.relative_to(finished) for p in files]
    assert len(files) >= 8
    expected = read(finished)
    shutil.rmtree(finished / "again")

    @given(st.sampled_from(files), st.sampled_from(["flip", "cut", "swap", "drop", "grow"]),
           st.floats(0, 1, exclude_max=True), st.sampled_from(files))  # fmt: skip
    def damaged(name, harm, where, other):
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "copy"
            shutil.copytree(finished, copy)
            content = bytearray((copy / name).read_bytes())
            at = int(where * len(content))
            if harm == "flip":
                content[at] ^= 1 << int(where * 1e6) % 8
            changed = {"flip": content, "cut": content[:at], "grow": content + b"\0",
                       "swap": (copy / other).read_bytes()}  # fmt: skip
            (copy / name).unlink()
            if harm != "drop":
                (copy / name).write_bytes(changed[harm])
            try:
                found = read(copy)
            except (InputError, FileNotFoundError) as error:  # both end a step in one line
                assert str(copy) in str(error) and str(error).isprintable()
            else:
                assert found == expected

    damaged()
