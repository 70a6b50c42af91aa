"""The step on TensorFlow: `tf.distribute`, `tf.function`, gradient accumulation."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.client import device_lib

from kaleido.app.application import EVALUATE, PREDICT, TRAIN, Application
from kaleido.app.cluster import lost_worker, read_cluster
from kaleido.app.config import TrainConfig
from kaleido.app.features import materialise
from kaleido.app.optimizer import create_optimizer
from kaleido.app.step import Step, batch_rows, check_batch_size

# Errors that a collective operation raises on the others when a worker is lost.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


class StepTensorflow(Step):
    """Runs on one device, or on every visible GPU of one or several hosts with the batch split over them.

    Args:
        application: Application whose model to build.
        config: Precision, devices, accumulation, optimizer.
        total_steps: Steps of the whole training, for the learning rate; 0 for a step that only evaluates.
    """

    def __init__(self, application: Application, config: TrainConfig, total_steps: int):
        if config.deterministic:
            tf.config.experimental.enable_op_determinism()
        self.application = application
        self.config = config
        self.cluster = read_cluster()
        self.strategy = _strategy(config, self.cluster.workers)
        self.replicas = self.strategy.num_replicas_in_sync
        self.local_replicas = self.replicas // self.cluster.workers
        self.table_devices = int(self.replicas == 1)
        if total_steps:
            check_batch_size(config, self.replicas)
        keras.config.set_dtype_policy(config.precision)
        with self.strategy.scope():
            self.model = application.build_model()
            self.optimizer = (
                create_optimizer(config.optimizer_config, total_steps, self.model.trainable_variables)
                if total_steps
                else None
            )
        self._separate_generators()
        # Keras ops have no control flow in Python that depends on tensors, and to look for it would take seconds.
        compiled = partial(tf.function, autograph=False)
        jit = config.jit_compile or None
        self._train = compiled(self._train_on_devices, jit_compile=jit)
        self._evaluate = compiled(self._evaluate_on_devices, jit_compile=jit)
        self._evaluate_alone = compiled(self._evaluate_rows, jit_compile=jit)
        self._predict = compiled(lambda batch: application.build_predictions(self._logits(batch, PREDICT)))

    def train(self, batch: Mapping[str, np.ndarray]) -> tf.Tensor:
        with self._workers_alive():
            return self._train(self._distribute(batch), self.tables["train"])

    def fetch(self, handle: tf.Tensor) -> np.ndarray:
        with self._workers_alive():
            return handle.numpy().astype(np.float64)

    def evaluate(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        rows = batch_rows(batch)
        if rows % self.local_replicas:
            # A last batch that cannot be divided runs on one device.
            return self._evaluate_alone(_tensors(batch)).numpy().astype(np.float64)
        return self._evaluate(self._distribute(batch), self.tables["evaluate"]).numpy().astype(np.float64)

    def predict(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: values.numpy() for name, values in self._predict(_tensors(batch)).items()}

    def sum_over_workers(self, values: np.ndarray) -> np.ndarray | tf.Tensor:
        if self.cluster.workers == 1:
            return values
        with self._workers_alive():
            return self._sum_over_workers(tf.convert_to_tensor(values, tf.float32))

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().load_arrays(arrays)
        self._separate_generators()

    @contextmanager
    def _workers_alive(self) -> Iterator[None]:
        try:
            yield
        except _LOST as error:
            if self.cluster.workers == 1:
                raise
            raise lost_worker(self.cluster) from error

    def _separate_generators(self):
        """Gives every device but the first a seed of its own; otherwise all would draw the same dropout masks."""
        if self.replicas == 1:
            return
        first = self.cluster.rank * self.local_replicas
        for variable in self._generators():
            for replica, part in enumerate(self.strategy.experimental_local_results(variable.value), start=first):
                part.assign(part + tf.constant([replica, 0], part.dtype))

    def _distribute(self, batch):
        if self.replicas == 1:
            return _tensors(batch)
        rows = batch_rows(batch) // self.local_replicas
        first = self.cluster.rank * self.local_replicas

        def part(context):
            start = (context.replica_id_in_sync_group - first) * rows
            return _tensors({name: values[start : start + rows] for name, values in batch.items()})

        return self.strategy.experimental_distribute_values_from_function(part)

    def free_memory(self) -> int | None:
        gpus = [device for device in device_lib.list_local_devices() if device.device_type == "GPU"]
        if not gpus:
            return None
        return gpus[0].memory_limit - tf.config.experimental.get_memory_info("GPU:0")["current"]

    def place_table(self, shape: tuple[int, int], parts: Iterable[np.ndarray], spread: bool) -> tf.Variable:
        table = tf.Variable(tf.zeros(shape, tf.float16), trainable=False)
        start = 0
        for part in parts:
            table[start : start + len(part)].assign(part)
            start += len(part)
        return table

    def _train_on_devices(self, batch, table):
        values = self.strategy.run(self._train_replica, ({**batch, **table},))
        return self.strategy.experimental_local_results(values)[0]

    def _evaluate_on_devices(self, batch, table):
        sums = self.strategy.run(self._evaluate_rows, ({**batch, **table},))
        # Over this worker's devices only: workers evaluate different batches, and different numbers of them.
        return tf.add_n(self.strategy.experimental_local_results(sums))

    def _evaluate_rows(self, batch):
        batch = materialise(batch)
        return self._metric_sums(self._logits(batch, EVALUATE), batch)

    @tf.function
    def _sum_over_workers(self, values):
        sums = self.strategy.run(lambda part: self._all_reduce(part / self.local_replicas), (values,))
        return self.strategy.experimental_local_results(sums)[0]

    def _train_replica(self, batch):
        batch = materialise(batch)
        weights = self._all_reduce(self.application.build_loss_weights(batch))
        gradients, sums = self._accumulate(batch, weights)
        gradients, sums = self._all_reduce(gradients), self._all_reduce(sums)
        norm = tf.linalg.global_norm(gradients)
        clip_norm = self.config.optimizer_config.clip_norm
        if clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)
        if self.replicas > 1:
            # The optimizer sums over devices once more; every device already holds the sum.
            gradients = [gradient / self.replicas for gradient in gradients]
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return tf.concat([sums[:, 0] / tf.maximum(sums[:, 1], 1e-5), norm[None]], axis=0)

    def _accumulate(self, batch, weights):
        """Sums gradients and metrics over the parts of a batch, one part in memory at a time."""
        parts = self.config.accumulation
        if parts == 1:
            return self._gradients(batch, weights)
        stacked = {name: tf.reshape(values, (parts, -1, *values.shape[1:])) for name, values in batch.items()}
        zeros = (
            [tf.zeros(variable.shape) for variable in self.model.trainable_variables],
            tf.zeros((len(self.application.metric_tags), 2)),
        )

        def add(index, total):
            part = self._gradients({name: values[index] for name, values in stacked.items()}, weights)
            return index + 1, tf.nest.map_structure(tf.add, total, part)

        return tf.while_loop(lambda index, total: index < parts, add, (0, zeros), parallel_iterations=1)[1]

    def _gradients(self, batch, weights):
        with tf.GradientTape() as tape:
            logits = self._logits(batch, TRAIN)
            loss = self.application.build_loss(logits, batch, weights)
        variables = self.model.trainable_variables
        gradients = tape.gradient(
            loss, [variable.value for variable in variables], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return [tf.convert_to_tensor(gradient) for gradient in gradients], self._metric_sums(logits, batch)

    def _logits(self, batch, mode):
        return self.application.build_logits(batch, mode)

    def _metric_sums(self, logits, batch):
        metrics = self.application.build_eval_metrics(logits, batch)
        return tf.stack([tf.stack(metrics[tag]) for tag in self.application.metric_tags])

    def _all_reduce(self, values):
        if self.replicas == 1:
            return values
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def _strategy(config, workers):
    if workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    if config.distribution_config.strategy == "auto" and len(gpus) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _tensors(batch):
    return {name: tf.convert_to_tensor(values) for name, values in batch.items()}
