"""Saved models from anywhere: a folder, a web server, a bucket, or a name."""

import difflib
import hashlib
import math
import os
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

from kaleido import configuration
from kaleido.atomic import flush, refusals_named, write_atomically
from kaleido.errors import UserError
from kaleido.fetch.download import Download, Position
from kaleido.fetch.manifest import checked_name
from kaleido.fetch.mirror import Mirror, NotServed
from kaleido.fetch.mirrors import open_mirror
from kaleido.fetch.progress import Progress
from kaleido.fetch.retry import RetryPolicy
from kaleido.locks import locked
from kaleido.network_folder import CONFIG_FILE, is_network_folder, parse_network_config
from kaleido.pretrained.model import Model
from kaleido.progress import progress_bars
from kaleido.untrusted import MAX_FILE, MAX_JSON
from kaleido.user_cache import user_cache

MODELS_VARIABLE = "KALEIDO_MODELS"

_LIST = Path(__file__).with_name("models.yaml")
_SCHEMES = ("http", "https", "s3", "file")
_ADVICE = "check the address and the network"


@dataclass(frozen=True)
class ListedModel:
    """A model that `load` knows by name.

    Attributes:
        url: Address or path of the model folder.
        description: What the model is.
        sha256: Checksum of its `config.json`; None takes whatever lies there.
    """

    url: str
    description: str = ""
    sha256: str | None = None


def load(source: str | os.PathLike[str], *, progress: bool = True) -> Model:
    """Loads a saved model.

    Models from elsewhere are fetched once, into `$KALEIDO_CACHE` or else `~/.cache/kaleido`, and every file is checked
    against its checksum; an interrupted fetch goes on where it was. Without network the last one from the same address
    is taken.

    Args:
        source: Model folder, or the folder of a run; the `http(s)://` or `s3://` address of a model folder; or a name
            of `list_models()`.
        progress: Whether a progress bar is drawn while files are fetched.

    Raises:
        UserError: if there is no model, a file does not fit its checksum, or its task is not registered.
    """
    with progress_bars(progress):
        return Model(find_model(source))


def list_models() -> dict[str, str]:
    """Lists the models that `load` knows by name.

    They are those that come with the package, and those of the file that the environment variable KALEIDO_MODELS
    names.

    Returns:
        Descriptions by name.

    Raises:
        UserError: if that file cannot be read.
    """
    return {name: entry.description for name, entry in _listed().items()}


def cache_directory() -> Path:
    """Gives the folder of fetched models."""
    return user_cache("models")


def find_model(source: str | os.PathLike[str]) -> Path:
    """Gives the folder of the model that `load` takes, fetched where it lies elsewhere.

    Raises:
        UserError: as `load` does.
    """
    source = os.fspath(source)
    if "://" in source:
        return _fetched(source)
    path = Path(source)
    for folder in (path, path / "model"):
        if is_network_folder(folder):
            return folder
    listed = _listed()
    if source in listed:
        entry = listed[source]
        return _fetched(entry.url, entry.sha256) if "://" in entry.url else Path(entry.url)
    if path.is_dir():
        # Says what is wrong with the folder.
        return path / "model" if (path / "model").is_dir() else path
    near = difflib.get_close_matches(source, listed, 1)
    hint = f"; did you mean {near[0]}?" if near else "; name a model folder, its address, or one of list_models()"
    raise UserError(f"{source}: no such model{hint}")


def _listed() -> dict[str, ListedModel]:
    found = {}
    further = os.environ.get(MODELS_VARIABLE)
    for path in (_LIST, *([Path(further)] if further else [])):
        for name, values in configuration.read_mapping(path).items():
            try:
                if not isinstance(values, dict):
                    raise UserError(f"must be a mapping of url, description and sha256. Received: {values!r:.100}")
                entry = configuration.build(ListedModel, values)
            except UserError as error:
                raise UserError(f"{path}: model {name}: {error}") from None
            url = entry.url if "://" in entry.url else str(path.parent / entry.url)
            found[str(name)] = ListedModel(url, entry.description, entry.sha256)
    return found


def _fetched(url: str, sha256: str | None = None) -> Path:
    """The folder in the cache of the model at an address, fetched if it is not there."""
    scheme = url.partition("://")[0]
    if scheme not in _SCHEMES:
        raise UserError(f"a model's address begins with http://, https:// or s3://. Received: {scheme}://")
    cache = cache_directory()
    if sha256 and is_network_folder(cache / sha256):
        return cache / sha256
    source = open_mirror(url)
    address = hashlib.sha256(url.encode()).hexdigest()[:32]
    # Which of the models in the cache was the last one from this address.
    pointer, staging = cache / f"{address}.latest", cache / f".{address}.partial"
    # Others wait, and find the model there.
    with locked(staging.with_suffix(".lock"), source.address, patience=math.inf):
        try:
            data = _config(source, staging, sha256)
        except UserError as error:
            latest = _read_pointer(pointer)
            if sha256 or isinstance(error.__cause__, NotServed) or not latest or not is_network_folder(cache / latest):
                raise UserError(f"{source.address}: no model can be had from there: {error}") from None
            warnings.warn(f"{source.address}: {error}; the model that was fetched before is taken", stacklevel=4)
            return cache / latest
        key = hashlib.sha256(data).hexdigest()
        if not is_network_folder(cache / key):
            content = parse_network_config(data, f"{source.address}/{CONFIG_FILE}")
            _fetch_all(source, content["sha256"], staging)
            with refusals_named(cache / key):
                shutil.rmtree(cache / key, ignore_errors=True)
                staging.replace(cache / key)
                flush(cache)
        shutil.rmtree(staging, ignore_errors=True)
        write_atomically(pointer, key.encode())
    return cache / key


def _config(source: Mirror, staging: Path, sha256: str | None) -> bytes:
    """Fetches a model's `config.json`; what another one has left in the folder goes."""
    path = staging / CONFIG_FILE
    before = path.read_bytes() if path.is_file() else None
    path.unlink(missing_ok=True)
    try:
        retry = RetryPolicy(tries=3, advice=_ADVICE)
        Download(source, CONFIG_FILE, path, sha256, retry, lambda _: None, MAX_JSON).run()
    except NotServed as error:
        raise UserError(f"{CONFIG_FILE}: {error}; name the folder of a saved model") from error
    data = path.read_bytes()
    if before not in (None, data):
        shutil.rmtree(staging)
        write_atomically(path, data)
    return data


def _fetch_all(source: Mirror, sums: dict[str, str], staging: Path) -> None:
    with Progress(len(sums)) as bar:
        for name, sha256 in sums.items():

            def report(event: Position | str, name: str = name) -> None:
                bar.note(name, event) if isinstance(event, str) else bar.moved(name, event)

            try:
                retry = RetryPolicy(advice=_ADVICE)
                Download(source, name, staging / checked_name(name), sha256, retry, report, MAX_FILE).run()
            except UserError as error:
                raise UserError(f"{source.address}/{name}: {error}") from None
            bar.done(name)


def _read_pointer(path: Path) -> str | None:
    try:
        found = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return found if re.fullmatch("[0-9a-f]{64}", found) else None
