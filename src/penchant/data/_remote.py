"""Images from an object store, through fsspec: s3://, gs://, az://, https:// listings, memory://, file://, …"""

import tempfile
import warnings
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from PIL import Image

from penchant.core.errors import BadConfiguration, BadImages
from penchant.data._arrays import IDX_NAME, array_blocks, read_idx
from penchant.data._decode import Unusable, decode_image
from penchant.data._folder import is_candidate
from penchant.data._source import BLOCK, Item, hash_of
from penchant.data.settings import ImageSettings

_WORKERS = 16
"""Reading waits for the network rather than for the processor."""
_CONTENT_SIGNS = ("ETag", "etag", "md5Hash", "content_md5", "crc32c", "checksum")
"""What stores tell of an object that changes with its bytes, by driver."""
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")


@dataclass(frozen=True)
class RemoteSource:
    """All image files below a URL, in the order of their names.

    Every object is read once and decoded; only the small squares are kept, in the study's cache on the local disk.
    Whether something changed since is told by sizes and by what the store says of contents (ETag, MD5, …) or times;
    where it says neither, by reading again. Rights come from the driver's own places (environment, profiles); keep
    keys out of URLs, which are stored with the study.
    """

    url: str

    @property
    def label(self) -> str:
        """See :class:`Source`."""
        return self.url

    @cached_property
    def _place(self) -> tuple[Any, str]:
        scheme = self.url.partition("://")[0]
        try:
            return fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            raise BadConfiguration(f"{scheme}:// needs a driver that is not installed: {error}") from None
        except ValueError as error:
            raise BadImages(f"{self.url} cannot be opened: {error}") from None

    @cached_property
    def _found(self) -> Mapping[str, Mapping[str, Any]]:
        """What is told of each file that may hold images, by its name below the URL."""
        store, root = self._place
        with _told(self.url):
            files: dict[str, dict[str, Any]] = store.find(root, detail=True)
        prefix = root.rstrip("/") + "/"
        named = {
            (path.removeprefix(prefix) if path.startswith(prefix) else PurePosixPath(path).name): info
            for path, info in files.items()
        }
        hidden = {name for name in named if any(part.startswith(".") for part in PurePosixPath(name).parts)}
        found = {name: named[name] for name in sorted(named) if is_candidate(PurePosixPath(name).name)}
        return {name: info for name, info in found.items() if name not in hidden}

    def count(self) -> int:
        """See :class:`Source`."""
        return len(self._found)

    def listing(self) -> str:
        """See :class:`Source`."""
        return hash_of(self.url, *(f"{name}\0{info.get('size')}" for name, info in self._found.items()))

    def stamp(self) -> str | None:
        """See :class:`Source`."""
        return self._signed((*_CONTENT_SIGNS, *_TIMES))

    def digest(self) -> str:
        """See :class:`Source`."""
        signed = self._signed(_CONTENT_SIGNS)
        if signed is not None:
            return signed
        with ThreadPoolExecutor(_WORKERS) as pool:
            return hash_of(*pool.map(self._digest_of, self._found))

    def blocks(self, settings: ImageSettings) -> Iterator[list[Item]]:
        """See :class:`Source`."""
        packed = [name for name in self._found if IDX_NAME.search(name)]
        single = [name for name in self._found if name not in set(packed)]
        with ThreadPoolExecutor(_WORKERS) as pool:
            for start in range(0, len(single), BLOCK):
                with warnings.catch_warnings():
                    # As for folders: Pillow warns of odd metadata; what matters is in the report.
                    warnings.simplefilter("ignore", UserWarning)
                    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                    block = list(pool.map(lambda name: self._item(name, settings), single[start : start + BLOCK]))
                yield block
        for name in packed:
            yield from self._unpacked(name, settings)

    def _signed(self, keys: tuple[str, ...]) -> str | None:
        """A hash of what the store says of every file under the first of these keys; None where it is silent on one."""
        signs = [
            next((f"{info[key]}" for key in keys if info.get(key) is not None), None) for info in self._found.values()
        ]
        if None in signs:
            return None
        return hash_of(*(f"{name}\0{info.get('size')}\0{sign}"
                         for (name, info), sign in zip(self._found.items(), signs, strict=True)))  # fmt: skip

    def _bytes(self, name: str) -> bytes:
        store, root = self._place
        path = (
            root if list(self._found) == [name] and PurePosixPath(root).name == name else f"{root.rstrip('/')}/{name}"
        )
        with _told(f"{self.url}: {name}"):
            return store.cat_file(path)

    def _digest_of(self, name: str) -> str:
        try:
            return hash_of(name, self._bytes(name))
        except BadImages:
            return hash_of(name, "")

    def _item(self, name: str, settings: ImageSettings) -> Item:
        try:
            data = self._bytes(name)
            return name, decode_image(BytesIO(data), len(data), settings)
        except (BadImages, Unusable) as reason:
            return name, str(reason)

    def _unpacked(self, name: str, settings: ImageSettings) -> Iterator[list[Item]]:
        """The images of an idx file, through a temporary copy."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / PurePosixPath(name).name
            try:
                copy.write_bytes(self._bytes(name))
                array = read_idx(copy)
            except (BadImages, Unusable) as reason:
                yield [(name, str(reason))]
                return
            for block in array_blocks(array, settings, name):
                yield [(f"{name}/{index}", image) for index, image in block]


@contextmanager
def _told(what: str) -> Generator[None]:
    """A driver's error as one that a person can read; drivers raise whatever their network library does."""
    try:
        yield
    except FileNotFoundError:
        raise BadImages(f"{what}: there is nothing there (any more)") from None
    except Exception as error:
        raise BadImages(f"{what} cannot be read: {type(error).__name__}: {error}") from None
