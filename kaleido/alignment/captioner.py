"""The captioner whose heat-maps align words with patches (AAG, paper section 3.2).

Xu et al., "Show, Attend and Tell", ICML 2015, with soft attention, its gate and the doubly stochastic penalty. Beside
it an addition of ours, `grounding`: each word has a query and each cell a key, and a contrastive loss makes the words
of a text find their own photo among the batch's, by the cells that they fit best. Attention tells where the LSTM looked
while it wrote; on fashion texts, whose words follow from one another, the word is seldom seen there.
"""

import keras
import numpy as np
from keras import layers, ops

GROUNDING_SIZE = 64
PLACES = 12
"""Channels that encode the place of a cell in the product."""

CLOSED = -1e4
"""Added to the scores of cells off the product."""


@keras.saving.register_keras_serializable("kaleido")
class AlignmentCaptioner(keras.Model):
    """Generates the text of a product from its feature map.

    A batch goes in: `maps` [B, L, C], `product` float32 [B, L], 1 where a cell shows the product, `token_ids` int32
    [B, T], tokens then [SEP] then padding, `token_mask` float32 [B, T], 1 on tokens and [SEP], and `content` float32
    [B, T], 1 on tokens of words that can be aligned. Logits [B, T, V] of each token after those before it, `attention`
    [B, T, L] and `cosines` [B, T, B, L] between all words and the cells of all photos come out.

    Args:
        vocab_size: Size V of the vocabulary.
        channels: Channels C of a map.
        begin: Id of the token before the first, [CLS].
        end: Id of the token that ends a text, [SEP].
        size: Size of embeddings and LSTM.
        sharpness, doubly_stochastic, grounding: As in `AlignConfig`.
    """

    def __init__(
        self, vocab_size, channels, begin, end, size=128, sharpness=8.0, doubly_stochastic=1.0, grounding=1.0,
        name="alignment_captioner", **kwargs,
    ):  # fmt: skip
        super().__init__(name=name, **kwargs)
        self.settings = {
            "vocab_size": vocab_size, "channels": channels, "begin": begin, "end": end, "size": size,
            "sharpness": sharpness, "doubly_stochastic": doubly_stochastic, "grounding": grounding,
        }  # fmt: skip
        self.begin, self.end, self.sharpness = begin, end, sharpness
        self.token = layers.Embedding(vocab_size, size, name="token")
        self.first = layers.Dense(2 * size, activation="tanh", name="first")
        self.lstm = layers.LSTMCell(size, name="lstm")
        self.attention_key = layers.Dense(GROUNDING_SIZE, name="attention_key")
        self.attention_query = layers.Dense(GROUNDING_SIZE, use_bias=False, name="attention_query")
        self.attention_score = layers.Dense(1, use_bias=False, name="attention_score")
        self.gate = layers.Dense(1, activation="sigmoid", name="gate")
        self.from_state = layers.Dense(size, name="from_state")
        self.from_context = layers.Dense(size, use_bias=False, name="from_context")
        self.output_projection = layers.Dense(vocab_size, name="output")
        self.word_context = layers.Conv1D(size, 3, padding="same", activation="relu", name="word_context")
        self.word_query = layers.Dense(GROUNDING_SIZE, name="word_query")
        self.cell_hidden = layers.Dense(size, activation="relu", name="cell_hidden")
        self.cell_key = layers.Dense(GROUNDING_SIZE, name="cell_key")
        self.dropout = layers.Dropout(0.2)
        self.channel_dropout = layers.Dropout(0.2, noise_shape=(None, 1, None))
        self.build()

    def build(self, input_shape=None):
        size, channels = self.settings["size"], self.settings["channels"] + PLACES
        widths = {
            self.first: channels, self.attention_key: channels, self.attention_query: size, self.gate: size,
            self.attention_score: GROUNDING_SIZE, self.from_state: size, self.from_context: channels,
            self.output_projection: size, self.word_query: size, self.cell_hidden: channels, self.cell_key: size,
        }  # fmt: skip
        self.token.build((None, None))
        self.lstm.build((None, size + channels))
        self.word_context.build((None, None, size))
        for layer, width in widths.items():
            layer.build((None, None, width))
        features = (self.settings["channels"],)
        self.mean = self.add_weight(features, "zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(features, "ones", trainable=False, name="deviation")
        # The logarithm of what the fit of a word and a photo is multiplied with.
        self.scale = self.add_weight((), keras.initializers.Constant(2.0), name="scale")
        self.built = True

    def call(self, batch, training=None):
        cells = self.cells(batch["maps"])
        tokens = batch["token_ids"]
        begin = ops.full_like(tokens[:, :1], self.begin)
        before = self.dropout(self.token(ops.concatenate([begin, tokens[:, :-1]], axis=1)), training=training)
        states, contexts, attention = self._read(cells, batch["product"], before)
        hidden = before + self.from_state(states) + self.from_context(contexts)
        logits = self.output_projection(self.dropout(hidden, training=training))
        queries = self.queries(tokens, training=training)
        keys = self.keys(cells, training=training)
        cosines = ops.einsum("itk,jlk->itjl", queries, keys)
        return {"logits": logits, "attention": attention, "cosines": cosines}

    def cells(self, maps):
        """Normalises maps [B, L, C] by channel and adds the place of each cell: [B, L, C + PLACES]."""
        features = (ops.cast(maps, "float32") - self.mean) / self.deviation
        shape = (ops.shape(features)[0], features.shape[1], PLACES)
        return ops.concatenate([features, ops.broadcast_to(_places(features.shape[1]), shape)], axis=-1)

    def queries(self, tokens, training=None):
        """Computes a query of length 1 for each token in its context: [B, T, K]."""
        embedded = self.token(tokens)
        around = self.word_context(self.dropout(embedded, training=training))
        return _direction(self.word_query(self.dropout(embedded + around, training=training)))

    def keys(self, cells, training=None):
        """Computes a key of length 1 for each cell: [B, L, K]."""
        hidden = self.cell_hidden(self.channel_dropout(cells, training=training))
        return _direction(self.cell_key(self.dropout(hidden, training=training)))

    def ground(self, batch):
        """Computes cosines [B, T, L] between the tokens of `token_ids` and the cells of their own photo."""
        return ops.einsum("btk,blk->btl", self.queries(batch["token_ids"]), self.keys(self.cells(batch["maps"])))

    def generate(self, batch, length):
        """Generates captions greedily, always with the most probable next token.

        Args:
            batch: `maps` and `product`.
            length: Number of tokens.

        Returns:
            Tokens int32 [B, length], without meaning after [SEP], and the attention of each, [B, length, L].
        """
        cells = self.cells(batch["maps"])
        keys, closed = self.attention_key(cells), CLOSED * (1.0 - batch["product"])

        def step(carry, _):
            token, hidden, memory, _ = carry
            before = self.token(token)
            hidden, memory, context, attention = self._step(cells, keys, closed, before, hidden, memory)
            logits = self.output_projection(before + self.from_state(hidden) + self.from_context(context))
            carry = ops.cast(ops.argmax(logits, axis=-1), "int32"), hidden, memory, attention
            return carry, carry

        begin = ops.full_like(ops.cast(cells[:, 0, 0], "int32"), self.begin)
        start = (begin, *self._first(cells), ops.zeros_like(closed))
        tokens, _, _, attention = ops.scan(step, start, length=length)[1]
        return ops.transpose(tokens), ops.transpose(attention, (1, 0, 2))

    def attend(self, batch):
        """Computes attention [B, T, L] for given tokens (teacher forcing)."""
        return self.call(batch)["attention"]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        mask = ops.cast(x["token_mask"], "float32")
        losses = ops.sparse_categorical_crossentropy(x["token_ids"], y_pred["logits"], from_logits=True)
        loss = ops.sum(losses * mask) / ops.sum(mask)
        if weight := self.settings["doubly_stochastic"]:
            # As many looks at each cell of the product as at the others; 1 a cell in the paper of 14x14 cells.
            looks = ops.sum(y_pred["attention"] * mask[..., None], axis=1)
            even = ops.sum(mask, axis=1, keepdims=True) / ops.sum(x["product"], axis=1, keepdims=True)
            loss = loss + weight * ops.sum((1.0 - looks / even) ** 2 * x["product"]) / ops.sum(x["product"])
        if weight := self.settings["grounding"]:
            loss = loss + weight * self._grounding_loss(x, y_pred["cosines"])
        return loss

    def _grounding_loss(self, x, cosines):
        """Contrasts words with the batch's photos and cells with its texts, each by a soft maximum over the other."""
        content, product, tokens = x["content"], x["product"], x["token_ids"]
        rows = ops.arange(ops.shape(tokens)[0])
        scores = cosines * self.sharpness
        sizes = ops.log(ops.sum(product, axis=-1))
        of_words = (ops.logsumexp(scores + CLOSED * (1.0 - product), axis=-1) - sizes) / self.sharpness
        # Photos whose text has the word too are no wrong answers.
        has = ops.any(ops.equal(tokens[:, :, None, None], tokens[None, None]), axis=-1)
        other = ops.not_equal(rows[:, None], rows[None])[:, None]
        scale = ops.exp(self.scale)
        logits = ops.where(ops.logical_and(has, other), CLOSED, of_words * scale)
        own = ops.broadcast_to(rows[:, None], ops.shape(tokens))
        words = ops.sparse_categorical_crossentropy(own, logits, from_logits=True)
        words = ops.sum(words * content) / ops.maximum(ops.sum(content), 1.0)

        counts = ops.log(ops.maximum(ops.sum(content, axis=1), 1.0))[:, None, None]
        of_cells = ops.logsumexp(scores + CLOSED * (1.0 - content)[:, :, None, None], axis=1) - counts
        logits = ops.transpose(of_cells / self.sharpness, (1, 2, 0)) * scale
        own = ops.broadcast_to(rows[:, None], ops.shape(product))
        cells = ops.sparse_categorical_crossentropy(own, logits, from_logits=True)
        return words + ops.sum(cells * product) / ops.sum(product)

    def _first(self, cells):
        return ops.split(self.first(ops.mean(cells, axis=1)), 2, axis=-1)

    def _read(self, cells, product, before):
        """Runs the LSTM: states [B, T, H], contexts [B, T, C] and attention [B, T, L] for embedded tokens [B, T, E]."""
        keys, closed = self.attention_key(cells), CLOSED * (1.0 - product)

        # What a step gives has to have the shape of what it hands on (`keras.ops.scan` on TensorFlow).
        def step(carry, embedded):
            carry = self._step(cells, keys, closed, embedded, *carry[:2])
            return carry, carry

        start = (*self._first(cells), ops.zeros_like(cells[:, 0]), ops.zeros_like(closed))
        states, _, contexts, attention = ops.scan(step, start, ops.transpose(before, (1, 0, 2)))[1]
        return tuple(ops.transpose(values, (1, 0, 2)) for values in (states, contexts, attention))

    def _step(self, cells, keys, closed, before, hidden, memory):
        scores = self.attention_score(ops.tanh(keys + self.attention_query(hidden)[:, None]))[..., 0]
        attention = ops.softmax(scores + closed)
        context = self.gate(hidden) * ops.einsum("bl,blc->bc", attention, cells)
        hidden, (hidden, memory) = self.lstm(ops.concatenate([before, context], axis=-1), [hidden, memory])
        return hidden, memory, context, attention

    def get_config(self):
        return {"name": self.name, **self.settings}


def _places(cells):
    """Encodes places, float32 [1, L, PLACES]: x and y in -1..1, |x| and y^2, each three times for more weight."""
    side = round(cells**0.5)
    line = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = (grid.ravel() for grid in np.meshgrid(line, line))
    return np.tile(np.stack([x, y, np.abs(x), y * y], axis=-1), PLACES // 4).astype(np.float32)[None]


def _direction(values):
    return values * ops.rsqrt(ops.sum(values * values, axis=-1, keepdims=True) + 1e-6)
