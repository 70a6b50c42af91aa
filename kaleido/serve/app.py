"""The HTTP interface: paths, what they take and give, and the answers to what goes wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import kaleido
from kaleido.errors import UserError
from kaleido.search.hits import Hit, NotInIndex
from kaleido.serve.bodies import (
    DEFAULT_TOP,
    LONGEST_ID,
    LONGEST_TEXT,
    Body,
    Caption,
    ClassifyBody,
    Error,
    Hits,
    Identifier,
    Labels,
    PhotoAndText,
    PhotoBody,
    Product,
    Rerank,
    SearchBody,
    TagBody,
    Tags,
    Top,
    Vector,
    Where,
    Why,
    WhyBody,
    body_schema,
    describe,
    read_body,
)
from kaleido.serve.config import ServeConfig
from kaleido.serve.engine import Engine
from kaleido.serve.guard import Guard, error
from kaleido.serve.metrics import CONTENT_TYPE, Metrics
from kaleido.serve.worker import Busy

PAGE = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in PAGE.iterdir() if path.suffix in _TYPES}
"""Contents and types of the page's files, by name; no file is opened for a request."""

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": meaning}
    for status, meaning in {
        400: "The request cannot be done: empty, a damaged photo, or a filter that cannot be read.",
        401: "The token is missing or wrong.",
        404: "There is no such product or photo.",
        408: "The request was not complete in time.",
        413: "The request is larger than the limit.",
        421: "The server does not answer to this host name.",
        422: "A field is missing, unknown, or out of its range.",
        429: "Too many requests wait; ask again after the seconds in Retry-After.",
    }.items()
}
_BODY_ERRORS = {**_ERRORS, 415: {"model": Error, "description": "The body is neither JSON nor a form."}}
_DESCRIPTION = (
    "Search a catalogue by words and photos, and ask the models behind it. Bodies are JSON, with photos in base64, or "
    'forms with a photo as a file. Errors are JSON: {"error": "what is wrong"}.'
)


def create_app(engine: Engine, config: ServeConfig, metrics: Metrics | None = None, name: str = "") -> Guard:
    """Makes the ASGI application.

    Args:
        engine: What computes the answers; closed when the server stops.
        config: Token and limits.
        metrics: Counters of this server.
        name: Name of the catalogue, for the page.
    """
    metrics = metrics or Metrics()
    metrics.watch_queue(lambda: engine.waiting)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(engine.close)

    app = FastAPI(
        title="Kaleido",
        version=kaleido.__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        # Problems of a caller's URL are answered as they are, without a second request.
        redirect_slashes=False,
    )
    _handle_errors(app, engine)
    _add_page(app, engine)
    _add_operations(app, metrics)
    _add_search(app, engine, config, name)
    _add_models(app, engine)
    return Guard(app, config, metrics)


def _handle_errors(app: FastAPI, engine: Engine) -> None:
    @app.exception_handler(UserError)
    async def cannot(request: Request, problem: UserError) -> Response:
        return error(404 if isinstance(problem, NotInIndex) else 400, engine.public(problem))

    @app.exception_handler(Busy)
    async def busy(request: Request, problem: Busy) -> Response:
        return error(429, "the server is busy; ask again in a moment")

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, problem: ClientDisconnect) -> Response:
        return error(400, "the request was not complete")

    @app.exception_handler(HTTPException)
    async def refused(request: Request, problem: HTTPException) -> Response:
        return error(problem.status_code, str(problem.detail), problem.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, problem: RequestValidationError) -> Response:
        return error(422, describe(problem.errors()))

    @app.exception_handler(Exception)
    async def failed(request: Request, problem: Exception) -> Response:
        return error(500, "the server failed; its log has the reason")


def _add_page(app: FastAPI, engine: Engine) -> None:
    """Adds the page; it and its files come from the package alone, by the names of `FILES`."""

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return _file("index.html") if engine.index is not None else RedirectResponse("docs")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return _file("docs.html")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404, "there is no such file")
        return _file(name)


def _file(name: str) -> Response:
    content, media_type = FILES[name]
    # Asked for anew each time, so that a new version of the package shows at once.
    return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})


def _add_operations(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/health", summary="Whether the server answers", tags=["operations"])
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/metrics",
        summary="Counters in the format of Prometheus",
        tags=["operations"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, 401: _ERRORS[401]},
    )
    async def counters() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_search(app: FastAPI, engine: Engine, config: ServeConfig, name: str) -> None:
    limit = config.max_results

    def checked(top: int) -> int:
        if top > limit:
            raise HTTPException(422, f"top: at most {limit} results are given. Received: {top}")
        return top

    @app.get("/api/info", summary="What this server has and can do", tags=["search"], responses=_ERRORS)
    async def info() -> dict[str, Any]:
        columns = [
            {
                "name": column.name,
                "type": column.kind,
                "values": [{"value": value, "count": count} for value, count in column.values.items()],
                "minimum": column.least,
                "maximum": column.largest,
            }
            for column in await engine.columns()
        ]
        return {
            "name": name,
            "version": kaleido.__version__,
            "products": await engine.count(),
            "columns": columns,
            "examples": _examples(columns),
            "can": engine.can,
            "limits": {
                "upload_bytes": round(config.max_upload_mb * 1e6),
                "megapixels": config.max_megapixels,
                "results": limit,
            },
        }

    @app.get("/api/search", summary="Search by a text", tags=["search"], response_model=Hits, responses=_ERRORS)
    async def search_text(
        text: Annotated[str, Query(max_length=LONGEST_TEXT)],
        where: Where = None,
        top: Top = DEFAULT_TOP,
        rerank: Rerank = 0,
    ) -> Response:
        started = time.perf_counter()
        return _hits(await engine.search(text, None, where, checked(top), rerank), started, engine.notes(text))

    @app.post(
        "/api/search",
        summary="Search by a text, a photo, or both",
        tags=["search"],
        response_model=Hits,
        responses=_BODY_ERRORS,
        openapi_extra=body_schema(SearchBody),
    )
    async def search(request: Request) -> Response:
        started = time.perf_counter()
        body = await read_body(request, SearchBody)
        return _hits(
            await engine.search(body.text, body.photo, body.where, checked(body.top), body.rerank),
            started,
            engine.notes(body.text),
        )

    @app.get(
        "/api/similar",
        summary="Products like one of the index",
        tags=["search"],
        response_model=Hits,
        responses=_ERRORS,
    )
    async def similar(id: Identifier, where: Where = None, top: Top = DEFAULT_TOP) -> Response:
        started = time.perf_counter()
        return _hits(await engine.similar(id, where, checked(top)), started)

    @app.get(
        "/api/product",
        summary="All about a product",
        description="With `predict`, caption and labels of its first photo by the server's models.",
        tags=["search"],
        response_model=Product,
        responses=_ERRORS,
    )
    async def product(id: Identifier, predict: bool = False) -> Response:
        entry = await engine.product(id)
        caption, labels = await engine.predict(entry) if predict else (None, None)
        return JSONResponse(
            {
                "id": entry.id,
                "title": entry.title,
                "photos": list(entry.photos),
                "fields": dict(entry.fields),
                "caption": caption,
                "labels": _labels(labels) if labels is not None else None,
            }
        )

    @app.get(
        "/api/thumbnail",
        summary="A photo of the index, small",
        tags=["search"],
        response_class=Response,
        responses={**_ERRORS, 200: {"content": {"image/jpeg": {}}}},
    )
    async def thumbnail(photo: Annotated[str, Query(min_length=1, max_length=LONGEST_ID)]) -> Response:
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(await engine.thumbnail(photo), media_type="image/jpeg", headers=headers)

    @app.get(
        "/api/why", summary="Which words and patches made a hit", tags=["search"], response_model=Why, responses=_ERRORS
    )
    async def why(
        text: Annotated[str, Query(min_length=1, max_length=LONGEST_TEXT)],
        photo: Annotated[str, Query(min_length=1, max_length=LONGEST_ID, description="Key of a photo of the index.")],
    ) -> Response:
        return JSONResponse(await engine.why(await engine.thumbnail(photo), text))


def _add_models(app: FastAPI, engine: Engine) -> None:
    def post(path: str, kind: type[Body], answer: type[BaseModel], summary: str) -> Callable[[Any], Any]:
        return app.post(
            path,
            summary=summary,
            tags=["models"],
            response_model=answer,
            responses=_BODY_ERRORS,
            openapi_extra=body_schema(kind),
        )

    @post("/api/why", WhyBody, Why, "Which words and patches make a photo and a text similar")
    async def why(request: Request) -> Response:
        body = await read_body(request, WhyBody)
        return JSONResponse(await engine.why(body.photo, body.text))

    @post("/api/classify", ClassifyBody, Labels, "Predicted labels of a photo")
    async def classify(request: Request) -> Response:
        body = await read_body(request, ClassifyBody)
        return JSONResponse({"labels": _labels(await engine.classify(body.photo, body.text, body.top))})

    @post("/api/tag", TagBody, Tags, "The best of your own labels for a photo")
    async def tag(request: Request) -> Response:
        body = await read_body(request, TagBody)
        return JSONResponse({"tags": [{"label": label, "score": score} for label, score in await engine.tag(body)]})

    @post("/api/caption", PhotoBody, Caption, "A description of a photo")
    async def caption(request: Request) -> Response:
        body = await read_body(request, PhotoBody)
        return JSONResponse({"caption": await engine.caption(body.photo)})

    @post("/api/embed", PhotoAndText, Vector, "The vector of a text, a photo, or both")
    async def embed(request: Request) -> Response:
        body = await read_body(request, PhotoAndText)
        return JSONResponse({"vector": (await engine.embed(body.text, body.photo)).tolist()})


def _hits(hits: Sequence[Hit], started: float, notes: Sequence[str] = ()) -> Response:
    rows = [
        {
            "id": hit.id,
            "score": float(hit.score),
            "match": hit.match,
            "title": hit.title,
            "photo": hit.photo,
            "fields": dict(hit.fields),
        }
        for hit in hits
    ]
    took = round(1000 * (time.perf_counter() - started), 2)
    return JSONResponse({"hits": rows, "milliseconds": took, "notes": list(notes)})


def _labels(labels: Mapping[str, Sequence[tuple[str, float]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{"label": label, "probability": probability} for label, probability in found]
        for name, found in labels.items()
    }


def _examples(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Searches to begin with: frequent values of the first columns."""
    values = [[one["value"] for one in column["values"][:3]] for column in columns if len(column["values"]) > 1]
    return list(dict.fromkeys(value for listed in values[:2] for value in listed if value))[:6]
