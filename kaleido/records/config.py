"""The configuration sections of preparation and of batches."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from kaleido.cluster import ClusterOptions
from kaleido.constants import LEVELS, PATCHES
from kaleido.errors import UserError
from kaleido.pictures import LARGEST_LIMIT, MAX_MEGAPIXELS
from kaleido.ranges import check_range
from kaleido.vision.patches import Grid

SHARD_PHOTOS, MOST_FILES = 512, 2000
"""Photos in a file of records where the configuration names no number; and where there would be as many files, more."""


def shard_photos_of(photos: int) -> int:
    """Chooses how many photos a file holds, so that there are fewer than 2,000 files of the three splits."""
    return max(SHARD_PHOTOS, -(-photos // (MOST_FILES - 4)))


@dataclass(frozen=True)
class PrepareConfig:
    """Preparation: how a catalogue becomes records.

    Attributes:
        saliency: How the product is found: `unet`, by the trained network; `border`, by its difference from the photo's
            border; or `none`, the whole photo.
        saliency_weights: Folder of a network for `unet` that `saliency train` wrote; None for the one of the package.
        grid: `kaleido`, five grids from 1x1 to 5x5; or `fixed`, to compare with: all 55 patches of one grid of 8 rows
            and 7 columns, each resized to level 5's crop size.
        backbone: Name of the network that encodes the patches.
        backbone_weights: File with its weights; None for those of ImageNet.
        crop_sizes: Pixels a side to which the crops of levels 1 to 5 are resized; None for the backbone's own.
        vocabulary: `catalog` trains a vocabulary on the training texts; otherwise the path of one.
        vocabulary_size: Size of a trained vocabulary.
        max_stored_tokens: Largest number of tokens that are kept of a text; training can shorten texts further.
        validation_fraction: Share of the products held out for validation where the catalogue prescribes none; above 0
            it is at least one of two or three products, and two of more.
        test_fraction: Share of the products held out for testing where the catalogue prescribes no splits.
        seed: Seed of the choice of held-out products.
        shard_photos: Photos in a file; an interrupted preparation has to do at most one file again. None is 512, or for
            more than a million photos as many as make fewer than 2,000 files.
        workers: Threads that decode and crop, on a host with an accelerator or many processors each with a process of
            its own; -1 for as many as there are processors.
        batch_size: Crops of the largest size that the backbone encodes at once (16 times as many on an accelerator),
            and of smaller ones as many more as have the same pixels; another number may change the last bits of the
            vectors.
        precision: Precision in which the backbone computes: `float32`; `float16`, for accelerators, whose vectors have
            a cosine of 0.9995 or more to float32's but for some crops of plain background; or `auto`, float32 on all
            devices so far. The saliency net always computes in float32, since boxes would move.
        max_megapixels: Largest photo, in millions of pixels. A larger JPEG or JPEG 2000 is decoded at a half, a quarter
            or an eighth of its sides, another photo is unusable; smaller ones are not changed.
        on_error: `stop` at an unusable photo, or `skip` it and list it in `rejects.jsonl`.
    """

    saliency: str = "unet"
    saliency_weights: str | None = None
    grid: Grid = "kaleido"
    backbone: str = "resnet50"
    backbone_weights: str | None = None
    crop_sizes: tuple[int, int, int, int, int] | None = None
    vocabulary: str = "catalog"
    vocabulary_size: int = 8000
    max_stored_tokens: int = 256
    validation_fraction: float = 0.05
    test_fraction: float = 0.1
    seed: int = 0
    shard_photos: int | None = None
    workers: int = -1
    batch_size: int = 32
    precision: Literal["auto", "float32", "float16"] = "auto"
    max_megapixels: float = MAX_MEGAPIXELS
    on_error: Literal["stop", "skip"] = "stop"

    def __post_init__(self):
        check = partial(check_range, self, section="prepare_config")
        check("[1, 1_000_000]", "vocabulary_size", "max_stored_tokens", "shard_photos")
        check("[1, 10_000]", "batch_size")
        check("[0, 1)", "validation_fraction", "test_fraction")
        check("[0, inf)", "seed")
        check(f"(0, {LARGEST_LIMIT:g}]", "max_megapixels")
        if self.workers != -1:
            check("[1, 1000]", "workers")
        held_out = self.validation_fraction, self.test_fraction
        if sum(held_out) >= 1:
            raise UserError(f"validation_fraction and test_fraction must add up to less than 1. Received: {held_out}")
        if self.crop_sizes and not all(8 <= size <= 1024 for size in self.crop_sizes):
            raise UserError(f"prepare_config.crop_sizes must be in [8, 1024]. Received: {list(self.crop_sizes)}")
        if self.precision == "auto":
            # Resolved here, so that records name what was computed, whatever a later version chooses.
            object.__setattr__(self, "precision", "float32")


@dataclass(frozen=True)
class PrepareRun(ClusterOptions):
    """Preparation of one catalogue.

    Args:
        catalog: Folder of the catalogue.
        out: Folder of the records to write.
        overwrite: Replace records of another catalogue or configuration.
        model: Saved model, or its address or name, whose preparation of photos and texts is taken, so that it can be
            fine-tuned on the records.
        shard: Make only part i of n, written i/n and counted from 1, and leave it in OUT.partial; the command
            without it then makes what is missing and completes the records.
        prepare_config: How records are made.
    """

    catalog: str
    out: str
    overwrite: bool = False
    model: str | None = None
    shard: str | None = None
    prepare_config: PrepareConfig = field(default_factory=PrepareConfig)

    def __post_init__(self):
        super().__post_init__()
        self.refuse_with_cluster("shard", "overwrite")


RUNTIME_KEYS = ("workers", "on_error")
"""Keys of `PrepareConfig` that may change while a preparation goes on."""


NO_TEXT = 2
"""Text positions of a photo that is shown without its text: [CLS] and [SEP]."""


@dataclass(frozen=True)
class PipelineConfig:
    """Masking and corruption: how records become batches (paper section 3.3, AGM, and 3.5, AKPM).

    Attributes:
        max_text_length: Largest number of text positions, [CLS] and [SEP] included.
        products: Share of the products of split train that are trained on; a larger share holds every smaller one.
            Texts and patches of other products that are mixed in come from the whole split.
        word_dropout: Share of the words of a text that training leaves out, another choice in every epoch; one word is
            always left.
        patches: Number of the 55 patches that training reads, from 5 on: another choice for each photo and epoch, in
            every level about the same share. Fewer take less time and make photos harder to learn by heart; only for
            trainings without the tasks rotation, jigsaw, camouflage, grey and blank.
        mask_probability: Share of the tokens of a text that is masked.
        max_predictions: Largest number of masked tokens of a text.
        whole_word: Whether the tokens of a word are masked together.
        masking: `guided` by the pairs that `align` wrote; `random`, to compare with; or `auto`, guided where the
            records have pairs and random where they have none.
        mismatch_probability: Share of the photos that are shown with the text of another product; without effect where
            `itc` is trained, which draws negatives from the batch.
        mismatch: Product of that text: `any` other one, or one of the `same_subcategory` where there is one.
        workers: Threads or processes that make batches; one per processor core if null.
        worker_kind: `threads`; `processes`, which take a second to start and grow with the cores; or `auto`, processes
            for trainings with more than two workers.
        prefetch: Batches that are made ahead, beside those being made.
        features: Where the features of a training's and an evaluation's records lie: on the `host`, which sends them
            with each batch; on the `device`, once; or `auto`, on an accelerator if they fit into half of its free
            memory.
    """

    max_text_length: int = 64
    products: float = 1.0
    word_dropout: float = 0.0
    patches: int = PATCHES
    mask_probability: float = 0.15
    max_predictions: int = 10
    whole_word: bool = True
    masking: Literal["auto", "guided", "random"] = "auto"
    mismatch_probability: float = 0.5
    mismatch: Literal["any", "same_subcategory"] = "any"
    workers: int | None = 2
    worker_kind: Literal["auto", "threads", "processes"] = "auto"
    prefetch: int = 4
    features: Literal["auto", "host", "device"] = "auto"

    def __post_init__(self):
        check = partial(check_range, self, section="preprocess_config")
        check("[0, 1]", "mask_probability", "mismatch_probability")
        check("(0, 1]", "products")
        check("[0, 1)", "word_dropout")
        check(f"[{len(LEVELS)}, {PATCHES}]", "patches")
        check("[3, 512]", "max_text_length")  # [CLS], text, [SEP]; the model knows 512 positions
        check("[1, 512]", "max_predictions")
        if self.workers is not None:
            check("[1, 1000]", "workers")
        check("[0, 1000]", "prefetch")
