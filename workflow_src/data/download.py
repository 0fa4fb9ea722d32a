"""Downloads with pinned revisions and checksums. What is already there and right is kept."""

import logging
from pathlib import Path

from workflow_src.errors import InputError

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
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(
            repository, revision=revision, allow_patterns=files, local_dir=folder, repo_type=kind
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{repository} at {revision[:12]} could not be fetched ({reason}): on a machine "
            "without internet, fetch it elsewhere and give its folder in the config"
        ) from error
