"""The pre-training step in PyTorch, to compare with: the same sizes, heads, losses and dropout as ours.

It is written as PyTorch advises for speed: one product for query, key and value, `scaled_dot_product_attention`, fused
AdamW and, on a GPU, `torch.compile`.
"""

import time
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kaleido.bench.training import forward_flop, moved_bytes, random_batch
from kaleido.constants import CLASSES, LEVEL_OF_TASK, LEVEL_SLICES, LEVELS, PATCH_COUNTS, RECONSTRUCTION_TASKS
from kaleido.model.config import ModelConfig

Batch = Mapping[str, Tensor]


def benchmark_twin(
    config: ModelConfig, batch_size: int, precision: str, text_length: int, seconds: float, masked_words: int = 10
) -> dict[str, float]:
    """Times training steps of the twin on one random batch that stays on the device: one GPU, or the processor.

    Args:
        config: Architecture.
        batch_size: Examples of a batch.
        precision: `float32` or `mixed_bfloat16`.
        text_length: Text positions T.
        seconds: Time to measure for, after two uncounted steps.
        masked_words: Masked slots M of a text.

    Returns:
        As `benchmark_step`; on a GPU `peak_device_bytes` besides.
    """
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    net = Twin(config).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    compiled = torch.compile(net) if device == "cuda" else net
    arrays = random_batch(batch_size, text_length, config.vocab_size, config.feature_size, masked_words)
    batch = {name: _tensor(values).to(device) for name, values in arrays.items()}

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "mixed_bfloat16"):
            loss = compiled(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    for _ in range(2):
        step()
    wait()
    begun, steps = time.monotonic(), 0
    while steps == 0 or time.monotonic() - begun < seconds:
        step()
        steps += 1
        if steps % 5 == 0:
            wait()
    wait()
    elapsed = time.monotonic() - begun
    parameters = sum(parameter.numel() for parameter in net.parameters())
    activation_bytes = 2 if "16" in precision else 4
    values = {
        "examples_per_second": steps * batch_size / elapsed,
        "step_ms": 1000 * elapsed / steps,
        "flop_per_example": 3 * forward_flop(config, text_length, masked_words),
        "bytes_per_example": moved_bytes(config, parameters, text_length, batch_size, activation_bytes),
    }
    if device == "cuda":
        values["peak_device_bytes"] = float(torch.cuda.max_memory_allocated())
    return values


def device_name() -> str:
    """Names the device that the twin computes on; `cpu` where it is the processor."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


class Layer(nn.Module):
    """Attention and feed-forward layer as BERT has them: [B, S, H] -> [B, S, H]."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        size = config.hidden_size
        self.config = config
        self.projections, self.attended = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.intermediate = nn.Linear(size, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, size)
        self.attention_norm, self.output_norm = (nn.LayerNorm(size, config.layer_norm_epsilon) for _ in range(2))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, values: Tensor, bias: Tensor) -> Tensor:
        rows, length, size = values.shape
        heads = self.config.num_heads
        projected = self.projections(values).view(rows, length, 3, heads, size // heads).permute(2, 0, 3, 1, 4)
        query, key, value = projected
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias.to(query.dtype), dropout_p=self.config.attention_dropout
        )
        mixed = self.attended(mixed.transpose(1, 2).reshape(rows, length, size))
        values = self.attention_norm(values + self.dropout(mixed))
        output = self.output(F.gelu(self.intermediate(values), approximate="tanh"))
        return self.output_norm(values + self.dropout(output))


class Twin(nn.Module):
    """Embeddings, encoder, the seven heads and their losses: a batch of `random_batch` -> the loss, a scalar."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        size, features = config.hidden_size, config.feature_size
        self.token = nn.Embedding(config.vocab_size, size)
        self.text_position = nn.Embedding(config.max_position_embeddings, size)
        self.text_norm = nn.LayerNorm(size, config.layer_norm_epsilon)
        self.patches = nn.ModuleList(nn.Linear(features, size, bias=False) for _ in LEVELS)
        self.patch_norms = nn.ModuleList(nn.LayerNorm(size, config.layer_norm_epsilon) for _ in LEVELS)
        self.segments = nn.Parameter(torch.zeros(len(LEVELS), size))
        self.patch_position = nn.Linear(5, size, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.pooler = nn.Linear(size, size)
        counts = {task: PATCH_COUNTS[LEVELS.index(level)] for task, level in LEVEL_OF_TASK.items()}
        self.classes = nn.ModuleDict(
            {task: nn.Linear(counts.get(task, 1) * size, classes) for task, classes in CLASSES.items()}
        )
        self.reconstructions = nn.ModuleDict(
            {task: nn.Linear(size, features, bias=False) for task in RECONSTRUCTION_TASKS}
        )
        self.word, self.word_norm = nn.Linear(size, size), nn.LayerNorm(size, config.layer_norm_epsilon)
        self.word_bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, batch: Batch) -> Tensor:
        text, levels, pooled = self._encode(batch)
        words = self.word_norm(F.gelu(self.word(_at(text, batch["mlm_positions"])), approximate="tanh"))
        logits = (words @ self.token.weight.t() + self.word_bias).float()
        losses = F.cross_entropy(logits.flatten(0, 1), batch["mlm_ids"].flatten().long(), reduction="none")
        paired = batch["paired"][:, None]
        loss = _mean(losses.view_as(batch["mlm_ids"]), batch["mlm_weights"] * paired)
        for task, head in self.classes.items():
            values = levels[LEVELS.index(LEVEL_OF_TASK[task])].flatten(1) if task in LEVEL_OF_TASK else pooled
            loss = loss + F.cross_entropy(head(values).float(), batch[f"{task}_label"].long())
        for task, head in self.reconstructions.items():
            level = levels[LEVELS.index(LEVEL_OF_TASK[task])]
            found = F.log_softmax(head(_at(level, batch[f"{task}_positions"])).float(), -1)
            wanted = F.log_softmax(batch[f"{task}_targets"].float(), -1)
            divergence = F.kl_div(found, wanted, reduction="none", log_target=True).sum(-1)
            loss = loss + _mean(divergence, paired.expand_as(divergence))
        return loss

    def _encode(self, batch: Batch) -> tuple[Tensor, list[Tensor], Tensor]:
        length = batch["token_ids"].shape[1]
        text = self.dropout(self.text_norm(self.token(batch["token_ids"]) + self.text_position.weight[:length]))
        located = self.patch_position(batch["positions"])
        patches = [
            self.dropout(norm(projection(batch[f"level{level}"].to(located.dtype)) + located[:, places] + segment))
            for level, places, projection, norm, segment in zip(
                LEVELS, LEVEL_SLICES, self.patches, self.patch_norms, self.segments
            )
        ]
        values = torch.cat([text, *patches], 1)
        # Padding gets -10000, as in BERT.
        bias = F.pad((1.0 - batch["token_mask"].float()) * -10000.0, (0, values.shape[1] - length))[:, None, None]
        for layer in self.layers:
            values = layer(values, bias)
        levels = [values[:, length + places.start : length + places.stop] for places in LEVEL_SLICES]
        return values[:, :length], levels, torch.tanh(self.pooler(values[:, 0]))


def _at(values: Tensor, positions: Tensor) -> Tensor:
    """Picks [B, n, H] out of [B, S, H] at positions int32 [B, n]."""
    return values.gather(1, positions.long()[:, :, None].expand(-1, -1, values.shape[-1]))


def _mean(losses: Tensor, weights: Tensor) -> Tensor:
    return (losses * weights).sum() / weights.sum().clamp_min(1e-5)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
