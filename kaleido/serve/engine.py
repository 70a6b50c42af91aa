"""Answers of the server: searches in an index, and predictions of models, in batches."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar, cast

import numpy as np

from kaleido.app.registry import tasks
from kaleido.errors import UserError
from kaleido.pictures import HEAD, TAIL, header_problem, open_picture, reason_of
from kaleido.pretrained.model import Model
from kaleido.search.hits import Entry, Hit
from kaleido.search.index import Index
from kaleido.search.query import unit
from kaleido.search.tags import Tagger
from kaleido.search.why import explain
from kaleido.serve.bodies import TagBody
from kaleido.serve.config import ServeConfig
from kaleido.serve.worker import Busy, Work, Worker
from kaleido.text import load_tokenizer
from kaleido.vision.photo import decode

Answer = TypeVar("Answer")

THREADS = 2
"""Threads that read the index and the headers of photos; the models have one of their own."""

_SMALL = 4
"""Size of the batches between 1 and the largest; each size is compiled once."""

_WARM_UP = "dress " * 12


class Engine:
    """An index and models in use by many requests at once.

    Requests of the same kind that wait are given to a model together. Methods raise `UserError` for what is wrong with
    a request, and `Busy` where too many wait.

    Args:
        config: Limits.
        model: The model that the index was made with or, without an index, the model to serve.
        index: Index to search; None serves models alone.
        classifiers: Further models that predict labels.
        captioner: Further model that writes captions.
        observe: Takes the name of a work and the size of each of its batches.

    Attributes:
        can: What can be asked for, by name.
    """

    def __init__(
        self,
        config: ServeConfig,
        model: Model,
        index: Index | None = None,
        classifiers: Sequence[Model] = (),
        captioner: Model | None = None,
        observe: Callable[[str, int], None] = lambda name, size: None,
    ):
        self.config, self.model, self.index = config, model, index
        self._tokenizer = load_tokenizer(model.directory) if index is not None else None
        self._models = every = [model, *classifiers, *([captioner] if captioner else [])]
        self._classifiers = {_subject(one): one for one in every if one.labels}
        self._captioner = next(
            (one for one in reversed(every) if "caption" in tasks()[one.task].application.provides), None
        )
        self._fused = index is not None and index.about["kind"] == "fused"
        has = model.signatures
        self.can: dict[str, Any] = {
            "search": index is not None,
            "text": "encode_text" in has,
            "photo": self._fused or "encode_image" in has,
            "match": index is not None and "match" in index.matcher.signatures,
            "embed": [name for name in ("encode_text", "encode_image", "embed") if name in has],
            "classify": sorted(self._classifiers),
            "caption": self._captioner is not None,
            "tag": {"encode_text", "encode_image"} <= set(has),
            "why": {"encode_text", "encode_image"} <= set(has) or "match" in has,
        }
        limits = config.batch_size, config.max_megapixels
        self._text = Work("encode_text", self._encode_texts, config.batch_size)
        self._photo = Work("encode_image", self._encode_photos, *limits)
        self._both = Work("embed", self._embed, *limits)
        self._caption = Work("caption", self._write_captions, *limits)
        self._labels = {
            name: Work(f"classify {name}", partial(self._predict, name), *limits) for name in self._classifiers
        }
        self._rerank = Work("rerank", lambda items: [self._needs("search", index).search(*one) for one in items], 1)
        self._tags = Work("tag", self._choose_tags, 1)
        self._why = Work("why", self._explain, 1)
        self._threads = ThreadPoolExecutor(THREADS, "kaleido-index")
        self._reading = 0
        self._worker = Worker(config.queue, observe)

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""
        return self._worker.waiting + self._reading

    def warm_up(self) -> None:
        """Encodes a few texts and a photo, so that no request waits until this was loaded and compiled."""
        if "encode_text" in self.model.signatures:
            for count in {1, min(_SMALL, self.config.batch_size), self.config.batch_size}:
                for text in ("a", _WARM_UP):
                    self._encode_texts([text] * count)
        if "encode_image" in self.model.signatures:
            self.model.encode_image(np.full((64, 64, 3), 200, np.uint8), batch_size=1, progress=False)

    def public(self, problem: UserError) -> str:
        """Gives the message of an error without the places of this machine."""
        text = str(problem)
        places = [str(one.directory) for one in self._models]
        for place in [*places, str(self.index.where)] if self.index is not None else places:
            text = text.replace(f"{place}: ", "")
        return text

    def close(self) -> None:
        """Ends the threads once everything that waits is done."""
        self._worker.close()
        self._threads.shutdown()

    async def search(
        self, text: str | None, photo: bytes | None, where: str | None, top: int, rerank: int = 0
    ) -> list[Hit]:
        """Finds the products that fit a text, a photo, or both."""
        index = self._needs("search", self.index)
        if text is None and photo is None:
            raise UserError("the search is empty: give text, photo, or both")
        if text is not None:
            self.notes(text)
        if rerank:
            self._needs("match")
            weight = await self._checked(photo) if photo is not None else 0
            return await self._worker.do(self._rerank, (text, photo, where, top, rerank), weight)
        return await self._read(index.nearest, await self._query(text, photo), where, top)

    def notes(self, text: str | None) -> list[str]:
        """Says what the model does not read of a text.

        Raises:
            UserError: if it reads nothing of it.
        """
        if text is None or self.index is None or self._tokenizer is None:
            return []
        cut = len(self._tokenizer.encode(text).ids) > self.model.text_length - 2
        note = f"the text is cut to the {self.model.text_length} tokens that the model reads" if cut else ""
        return [one for one in (self.index.check_text(text), note) if one]

    async def _query(self, text: str | None, photo: bytes | None) -> np.ndarray:
        """Computes what `Index.encode` does, each part in a batch of its own kind."""
        if self._fused:
            if photo is None:
                raise UserError("this index is searched by a photo, with or without text; send a photo")
            return await self._worker.do(self._both, (photo, text or ""), await self._checked(photo))
        vectors = []
        if photo is not None:
            self._needs("photo")
            vectors.append(await self._worker.do(self._photo, photo, await self._checked(photo)))
        if text is not None:
            vectors.append(await self._worker.do(self._text, text))
        return unit(np.sum(vectors, axis=0))

    async def similar(self, product: str, where: str | None, top: int) -> list[Hit]:
        """Finds the products that look like one of the index."""
        return await self._read(self._needs("search", self.index).similar, product, where, top)

    async def product(self, product: str) -> Entry:
        """Gives a product of the index."""
        return await self._read(self._needs("search", self.index).get, product)

    async def thumbnail(self, photo: str) -> bytes:
        """Gives a photo of the index as JPEG."""
        return await self._read(self._needs("search", self.index).thumbnail, photo)

    async def columns(self) -> Sequence[Any]:
        """Gives the columns that can be filtered by."""
        return await self._read(attrgetter("columns"), self.index) if self.index is not None else ()

    async def count(self) -> int | None:
        """Counts the products of the index; None without one."""
        return await self._read(len, self.index) if self.index is not None else None

    async def predict(self, product: Entry) -> tuple[str | None, dict[str, list[tuple[str, float]]] | None]:
        """Writes a caption and predicts labels of a product's first photo, as far as there are models for it."""
        if not product.photos or not (self.can["caption"] or self.can["classify"]):
            return None, None
        photo = await self.thumbnail(product.photos[0])
        caption = await self.caption(photo) if self.can["caption"] else None
        return caption, await self.classify(photo, product.text, 3) if self.can["classify"] else None

    async def embed(self, text: str | None, photo: bytes | None) -> np.ndarray:
        """Computes the vector of a text, of a photo, or of both read together."""
        name = "embed" if photo and text else "encode_image" if photo else "encode_text" if text else ""
        if not name:
            raise UserError("there is nothing to embed: give text, photo, or both")
        if name not in self.can["embed"]:
            raise UserError(f"this model has no {name}; it has {', '.join(self.can['embed']) or 'no vectors'}")
        if not photo:
            return await self._worker.do(self._text, text)
        weight = await self._checked(photo)
        work, item = (self._both, (photo, text)) if text else (self._photo, photo)
        return await self._worker.do(work, item, weight)

    async def classify(self, photo: bytes | None, text: str | None, top: int) -> dict[str, list[tuple[str, float]]]:
        """Predicts labels of a photo and, where the model reads one, its text, by every classifier."""
        self._needs("classify")
        weight = await self._checked(photo)
        found = {}
        for name, work in self._labels.items():
            found[name] = (await self._worker.do(work, (photo, text or ""), weight))[:top]
        return found

    async def caption(self, photo: bytes | None) -> str:
        """Describes a photo in words."""
        self._needs("caption")
        return await self._worker.do(self._caption, photo, await self._checked(photo))

    async def tag(self, body: TagBody) -> list[tuple[str, float]]:
        """Chooses the labels, of any words, that fit a photo best; with the cosines of photo and label."""
        self._needs("tag")
        return await self._worker.do(self._tags, body, await self._checked(body.photo))

    async def why(self, photo: bytes | None, text: str) -> Any:
        """Tells which words and which patches made a photo and a text similar."""
        self._needs("why")
        return await self._worker.do(self._why, (photo, text), await self._checked(photo))

    def _needs(self, name: str, value: Any = None) -> Any:
        if not self.can[name]:
            raise UserError(_LACKING[name])
        return value

    async def _read(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Calls a function in one of the threads."""
        if self._reading >= self.config.queue:
            raise Busy
        self._reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        finally:
            self._reading -= 1

    async def _checked(self, photo: bytes | None) -> float:
        """Checks the header of a photo before it waits; returns its millions of pixels."""
        if not photo:
            raise UserError("photo: there is none" if photo is None else "photo: the file is empty")
        return await self._read(_megapixels, photo, self.config.max_megapixels)

    def _size(self, count: int) -> int:
        return next(size for size in (1, _SMALL, self.config.batch_size) if size >= count)

    def _encode_texts(self, texts: list[str]) -> np.ndarray:
        return self.model.encode_text(texts, batch_size=self._size(len(texts)), progress=False)

    def _encode_photos(self, photos: list[bytes]) -> np.ndarray:
        return self._of_photos(self.model.encode_image, photos)

    def _embed(self, pairs: list[tuple[bytes, str]]) -> np.ndarray:
        return self._of_photos(self.model.embed, *zip(*pairs))

    def _write_captions(self, photos: list[bytes]) -> list[str]:
        return self._of_photos(self._needs("caption", self._captioner).caption, photos)

    def _predict(self, name: str, pairs: list[tuple[bytes, str]]) -> list[list[tuple[str, float]]]:
        model = self._classifiers[name]
        photos, texts = zip(*pairs)
        given = [list(texts)] if any(texts) else []
        return self._of_photos(partial(model.classify, top=len(model.labels)), photos, *given)

    def _choose_tags(self, items: list[TagBody]) -> list[list[tuple[str, float]]]:
        return [
            Tagger(self.model, body.labels, body.prompts).best(
                self._encode_photos([cast(bytes, body.photo)]), body.top, body.threshold
            )[0]
            for body in items
        ]

    def _explain(self, items: list[tuple[bytes, str]]) -> list[Any]:
        return [explain(self.model, photo, text) for photo, text in items]

    def _of_photos(self, function: Callable[..., Answer], photos: Sequence[bytes], *texts: Any) -> Answer:
        """Calls a method of a model; the error of an unreadable photo says only what is wrong with it."""
        try:
            return function(list(photos), *texts, batch_size=self._size(len(photos)), progress=False)
        except UserError:
            for photo in photos:
                decode(photo, self.config.max_megapixels)
            raise


_LACKING = {
    "search": "this server has no index to search; start it with the folder of an index",
    "photo": "the model of this index does not read photos alone; search by text",
    "match": "the model of this index has no matching head; leave rerank out",
    "classify": "no model of this server predicts labels; start it with --classifier MODEL",
    "caption": "no model of this server writes captions; start it with --captioner MODEL",
    "tag": "the model of this server does not compare photos with texts; tags need a two-tower model",
    "why": "the model of this server cannot explain a hit",
}


def _subject(classifier: Model) -> str:
    """Names what a classifier's labels tell: the column of the catalogue that it learned, or else its task."""
    learned = (classifier.config.get("task_config") or {}).get("recognition_config") or {}
    return learned.get("column") or classifier.task


def _megapixels(photo: bytes, limit: float) -> float:
    """Checks that a photo can be opened and is not too large; returns its millions of pixels."""
    if reason := header_problem(photo[:HEAD], photo[-TAIL:], len(photo), lambda: photo, limit):
        raise UserError(reason)
    try:
        with open_picture(photo) as image:
            pixels = image.width * image.height / 1e6
    except Exception as error:  # of a header that is damaged where `header_problem` does not look
        raise UserError(reason_of(error, limit)) from None
    if pixels > limit:
        raise UserError(
            f"photo is too large: at most {round(limit * 1e6):,} pixels are read. Received: {round(pixels * 1e6):,}"
        )
    return pixels
