"""Configuration of `kaleido serve`."""

from dataclasses import dataclass, field

from kaleido.configuration import POSITIONAL
from kaleido.pictures import LARGEST_LIMIT
from kaleido.ranges import check_range

TOKEN_VARIABLE = "KALEIDO_TOKEN"


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Index or models to serve, the address, and limits.

    Args:
        source: Folder or s3:// address of an index; or a model, which then serves without a search.
        model: Model that encodes queries, instead of the one that the index names.
        matcher: Model with a matching head, for `rerank`; the index's own model if null.
        classifier: Further models that predict labels.
        captioner: Model that writes captions.
        host: Address to listen on; 0.0.0.0 lets other machines in.
        port: Port to listen on; 0 takes a free one.
        names: Host names that requests may use besides localhost, as a proxy in front of the server passes them on.
        token: Token that requests must send in the header `Authorization: Bearer TOKEN`; the environment variable
            KALEIDO_TOKEN if null.
        max_upload_mb: Largest request in MB.
        max_megapixels: Largest photo in millions of pixels.
        max_results: Largest number of results of a search.
        queue: Largest number of requests that wait for the models; further ones are told to come back (429).
        batch_size: Photos or texts that the models take at once, at most.
        timeout: Seconds that a request may take, its upload included.
    """

    source: str = field(metadata=POSITIONAL)
    model: str | None = None
    matcher: str | None = None
    classifier: tuple[str, ...] = ()
    captioner: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    token: str | None = None
    max_upload_mb: float = 10.0
    max_megapixels: float = 50.0
    max_results: int = 200
    queue: int = 128
    batch_size: int = 16
    timeout: float = 30.0

    def __post_init__(self):
        check_range(self, "[0, 65_535]", "port")
        check_range(self, "[0.001, 1_000]", "max_upload_mb")
        check_range(self, f"[0.01, {LARGEST_LIMIT}]", "max_megapixels")
        check_range(self, "[1, 10_000]", "max_results", "queue")
        check_range(self, "[1, 256]", "batch_size")
        check_range(self, "[0.1, 3_600]", "timeout")
