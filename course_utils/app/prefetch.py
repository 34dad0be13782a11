"""What stands behind `course prefetch`: a model's files are fetched whole, whatever the network does, and checked.

huggingface_hub does the work. It begins a file again that broke off in an earlier run, though, and a model may be one
file of gigabytes; so files of weights are fetched here, to where it keeps them, and it finds them there.
"""

from pathlib import Path

from course_utils.embedding import ModelUnavailableError, UnknownModelError, find_model, find_weights, hub_answers
from course_utils.paths import file_sha256


def fetch_model(name: str) -> None:
    """Make sure that a model's weights are here, saying how large they are, and compare them with the hub's hashes.

    What is here already is not fetched again, and a file of weights that broke off goes on where it stopped.
    """
    try:
        card = find_model(name)
    except UnknownModelError:
        card = None
    size = f"{card.download_mb:,} MB" if card is not None and card.download_mb else "of a size not known here"
    print(f"model  {name} ({size}, fetched once) …", flush=True)
    hub_name, revision = (card.name, card.revision) if card is not None else (name, None)
    on_the_hub = not Path(name).expanduser().is_dir() and (card is None or card.on_hub)
    reached = on_the_hub and hub_answers()
    if reached:
        _fetch_weights(hub_name, revision)
    folder, _ = find_weights(name)  # the small files, and all words for what went wrong
    if reached:
        damaged = _differing_files(hub_name, folder)
        if damaged:
            print(f"       {len(damaged)} of its files changed on this disk and are fetched again …", flush=True)
            for path in damaged:
                path.resolve().unlink()
                path.unlink(missing_ok=True)
            _fetch_weights(hub_name, revision)
            folder, _ = find_weights(name)
            if _differing_files(hub_name, folder):
                raise _not_as_stated(hub_name)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    checked = ", each as the hub states it" if reached else ""
    if on_the_hub and not reached:
        checked = "; the hub cannot be reached to compare them"
    print(f"ready: {len(sizes)} files, {sum(sizes) / 1e6:,.1f} MB{checked}")


def _fetch_weights(name: str, revision: str | None) -> None:
    from huggingface_hub import HfApi, constants, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get, repo_folder_name
    from huggingface_hub.utils import build_hf_headers

    blobs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model") / "blobs"
    try:
        tree = list(HfApi().list_repo_tree(name, revision=revision, recursive=True))
    except HfHubHTTPError:
        return  # no such model, or no right to it: the caller asks again and knows what to say
    for file in tree:
        lfs = getattr(file, "lfs", None)
        if lfs is None or not file.path.endswith(".safetensors") or (blobs / lfs.sha256).exists():
            continue
        blobs.mkdir(parents=True, exist_ok=True)
        part = blobs / f"{lfs.sha256}.course-part"
        url = hf_hub_url(name, file.path, revision=revision)
        try:
            with part.open("ab") as out:
                http_get(url, out, resume_size=out.tell(), headers=build_hf_headers(), expected_size=lfs.size)
        except Exception as error:  # the hub's own errors and those of its HTTP library have no common class
            raise ModelUnavailableError(
                f"The connection broke off ({type(error).__name__}) after {part.stat().st_size / 1e6:,.1f} of "
                f"{lfs.size / 1e6:,.1f} MB of {file.path}. Run the same command again: it goes on from there."
            ) from error
        if file_sha256(part) != lfs.sha256:
            part.unlink()
            raise _not_as_stated(name)
        part.replace(blobs / lfs.sha256)


def _differing_files(name: str, folder: Path) -> list[Path]:
    from huggingface_hub import HfApi

    report = HfApi().verify_repo_checksums(name, revision=folder.name)
    return [folder / mismatch["path"] for mismatch in report.mismatches]


def _not_as_stated(name: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"What arrived of {name} is not what the hub states, and was not kept. Try again, or on another network."
    )
