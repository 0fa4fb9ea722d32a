"""Downloads with pinned revisions and checksums. What is already there and right is kept."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow_src.common.errors import InputError
from workflow_src.common.outputs import require_space

MOST = 8 * 2**30  # bytes of a file; the largest that is fetched so has 2 GiB
SILENCE = 30  # seconds that a server may say nothing
WAIT, LEAST = 60, 2**16  # seconds in which at least so many bytes must arrive


class Bounded:
    """Pooch's downloader over HTTP, for servers that promise less than they send, or never end."""

    def __call__(self, url: str, output_file: str, pooch, check_only: bool = False) -> None:
        import requests
        from tqdm import tqdm
        from urllib3.exceptions import HTTPError

        with (
            requests.get(url, timeout=SILENCE, stream=True) as response,
            open(output_file, "wb") as file,
        ):
            response.raise_for_status()
            promised = int(response.headers.get("content-length", 0))
            if promised:
                require_space(Path(output_file).parent, promised, url)
            arrived, since, mark = 0, time.monotonic(), 0
            with tqdm(total=promised or None, unit="B", unit_scale=True) as bar:
                try:
                    while part := response.raw.read1(2**20, decode_content=True):
                        file.write(part)
                        arrived += len(part)
                        bar.update(len(part))
                        if max(arrived, promised) > MOST:
                            raise OSError(f"it has more than {MOST / 2**30:.0f} GiB")
                        if time.monotonic() - since > WAIT:
                            if arrived - mark < LEAST:
                                raise OSError(f"only {arrived - mark} bytes came in {WAIT} seconds")
                            since, mark = time.monotonic(), arrived
                except HTTPError as error:
                    raise OSError(str(error)) from error
            if arrived < promised and "content-encoding" not in response.headers:
                raise OSError(f"only {arrived} of {promised} bytes came")


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
        pooch.retrieve(url, known, file.name, file.parent, downloader=Bounded())
    except InputError:
        raise
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
    """Fetch files of a Hugging Face repository at a pinned commit; resumes if interrupted.

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
