"""Downloads with pinned revisions and checksums. What is already there and right is kept."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow_src.common.errors import InputError

log = logging.getLogger(__name__)


def download(url: str, file: Path, sha256: str | None) -> None:
    """Fetch one file over HTTP, whole or not at all.

    Args:
        url: where it lies.
        file: where it goes.
        sha256: of the content; None where its maker publishes none, and then what arrived is
            recorded instead of checked.

    Raises:
        InputError: if it cannot be fetched or is not what it should be.
    """
    import pooch

    known = f"sha256:{sha256}" if sha256 else None
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        pooch.retrieve(url, known, file.name, file.parent, progressbar=True)
    except ValueError as error:  # a hash that differs
        raise InputError(
            f"{url} is not the pinned file ({error}): try again, or fetch it by hand and give its "
            "path in the config"
        ) from error
    except OSError as error:
        raise InputError(
            f"{url} could not be fetched ({error}): on a machine without internet, fetch it "
            f"elsewhere, put it at {file}, or give its path in the config"
        ) from error


def download_from_hub(
    repository: str, revision: str, files: list[str], folder: Path, kind: str = "model"
) -> None:
    """Fetch files of a Hugging Face repository at a pinned commit; goes on where it was broken off.

    Args:
        repository: "owner/name".
        revision: commit hash.
        files: paths in the repository, or patterns.
        folder: where they go, at the same paths.
        kind: "model" or "dataset".

    Raises:
        InputError: if they cannot be fetched.
    """
    from huggingface_hub import snapshot_download

    with _hub_errors(repository, revision):
        snapshot_download(
            repository, revision=revision, allow_patterns=files, local_dir=folder, repo_type=kind
        )


def list_hub(repository: str, revision: str, folder: str, kind: str = "model") -> dict[str, tuple]:
    """What a folder of a Hugging Face repository holds at a pinned commit.

    Returns:
        Size in bytes and sha256 of each file, by its path in the repository; the sha256 is None
        for a small file, of which the hub keeps none.

    Raises:
        InputError: if it cannot be listed.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    with _hub_errors(repository, revision):
        found = list(HfApi().list_repo_tree(repository, folder, revision=revision, repo_type=kind))
    files = [f for f in found if isinstance(f, RepoFile)]
    return {f.path: (f.size, f.lfs.sha256 if f.lfs else None) for f in files}


@contextmanager
def _hub_errors(repository: str, revision: str) -> Iterator[None]:
    # HTTPError is its HTTP library's, raised where there is no connection at all.
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError

    try:
        yield
    except (HTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{repository} at {revision[:12]} could not be fetched ({reason}): on a machine "
            "without internet, fetch it elsewhere and give its folder in the config"
        ) from error
