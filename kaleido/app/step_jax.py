"""The step on JAX: one compiled function over a mesh of devices, gradient accumulation by a scan."""

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from kaleido.app.application import EVALUATE, PREDICT, TRAIN, Application
from kaleido.app.cluster import Cluster, read_cluster
from kaleido.app.cluster_jax import JaxCluster
from kaleido.app.config import TrainConfig
from kaleido.app.features import materialise
from kaleido.app.optimizer import create_optimizer
from kaleido.app.step import Step, batch_rows, check_batch_size


class StepJax(Step):
    """Runs on one device, or on every visible one of one or several hosts with the rows of a batch sharded over them.

    The functions below see whole batches; the compiler splits the computation by rows and adds the reductions.

    Args:
        application: Application whose model to build.
        config: Precision, devices, accumulation, optimizer. `jit_compile` has no effect: JAX always compiles.
        total_steps: Steps of the whole training, for the learning rate; 0 for a step that only evaluates.
    """

    def __init__(self, application: Application, config: TrainConfig, total_steps: int):
        if config.deterministic:
            # Read when JAX looks for devices; without effect on a CPU, which is deterministic anyway.
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
        self.application = application
        self.config = config
        # A model without training is evaluated by each worker for itself.
        self.cluster = read_cluster() if total_steps else Cluster()
        several = self.cluster.workers > 1
        self._workers = JaxCluster(self.cluster) if several else None
        own = jax.local_devices()
        if config.distribution_config.strategy == "one" and not several:
            own = own[:1]
        devices = jax.devices() if several else own
        if total_steps:
            check_batch_size(config, len(devices))
        self.devices = len(own)
        self.table_devices = 0 if several else self.devices
        # Over this worker's devices, and over those of all workers.
        mesh, all_mesh = Mesh(np.array(own), ("rows",)), Mesh(np.array(devices), ("rows",))
        self._whole, self._cut = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("rows"))
        self._all_whole, self._all_cut = (NamedSharding(all_mesh, layout.spec) for layout in (self._whole, self._cut))
        self._cut_parts = NamedSharding(all_mesh, PartitionSpec(None, "rows"))
        keras.config.set_dtype_policy(config.precision)
        self.model = application.build_model()
        self.optimizer = (
            create_optimizer(config.optimizer_config, total_steps, self.model.trainable_variables)
            if total_steps
            else None
        )
        slots = self.optimizer.variables if self.optimizer else []
        self._variables_of_state = self.model.trainable_variables, self._generators(), slots
        # Trained weights, generators and slots as the last step left them; None while the Keras variables hold them.
        # A step takes over the arrays of the one before: hundreds of variables would cost milliseconds to assign.
        self._state: list[list[jax.Array]] | None = None
        self._train = jax.jit(self._train_on_devices, donate_argnums=0, out_shardings=self._all_whole)
        self._evaluate = jax.jit(self._evaluate_on_devices)
        self._predict = jax.jit(self._predict_whole)
        self._sum = jax.jit(lambda rows: rows.sum(axis=0), out_shardings=self._all_whole)

    def train(self, batch: Mapping[str, np.ndarray]) -> jax.Array:
        if self._state is None:
            groups = [[variable.value for variable in group] for group in self._variables_of_state]
            self._state = self._join(jax.device_put(groups, self._whole), self._all_whole)
        placed = self._join(self._place(batch), self._all_cut)
        self._state, values = self._train(self._state, {**placed, **self.tables["train"]})
        return values

    def fetch(self, handle: jax.Array) -> np.ndarray:
        return np.asarray(handle, np.float64)

    def evaluate(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        self.update_model()
        weights = jax.device_put([variable.value for variable in self.model.variables], self._whole)
        return np.asarray(self._evaluate(weights, {**self._place(batch), **self.tables["evaluate"]}), np.float64)

    def predict(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.update_model()
        weights = [variable.value for variable in self.model.variables]
        return {name: np.asarray(values) for name, values in self._predict(weights, dict(batch)).items()}

    def update_model(self) -> None:
        state, self._state = self._state, None
        for group, values in zip(self._variables_of_state, state or []):
            for variable, value in zip(group, values):
                variable.assign(value.addressable_data(0) if self._workers else value)

    def sum_over_workers(self, values: np.ndarray) -> np.ndarray | jax.Array:
        if not self._workers:
            return values
        self._workers.meet()
        rows = np.zeros((self.devices, *np.shape(values)), np.float32)
        rows[0] = values
        return self._sum(self._join(jax.device_put(rows, self._cut), self._all_cut))

    def together(self) -> AbstractContextManager[None]:
        return self._workers.together() if self._workers else super().together()

    def arrays(self) -> dict[str, np.ndarray]:
        variables = self._variables()
        values = jax.device_get([variable.value for variable in variables.values()])
        # On a CPU these are views of the buffers that the next step takes over.
        views = self._whole.mesh.devices.flat[0].platform == "cpu"
        return {name: np.array(value) if views else value for name, value in zip(variables, values)}

    def _variables(self) -> dict[str, keras.Variable]:
        self.update_model()
        return super()._variables()

    def _place(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        """Puts a batch on the devices, its rows spread over them; one that cannot be divided is put on each whole."""
        layout = self._whole if batch_rows(batch) % self.devices else self._cut
        return jax.device_put(dict(batch), layout)

    def _join(self, values, layout):
        """Makes arrays of all workers out of arrays on this one's devices, where the values stay."""
        if not self._workers:
            return values

        def join(value):
            rows = 1 if layout.is_fully_replicated else self.cluster.workers
            shape = (rows * value.shape[0], *value.shape[1:]) if value.shape else ()
            parts = [shard.data for shard in value.addressable_shards]
            return jax.make_array_from_single_device_arrays(shape, layout, parts)

        return jax.tree.map(join, values)

    def free_memory(self) -> int | None:
        found = [device.memory_stats() for device in self._whole.mesh.devices.flat]
        if not all(found):
            return None
        return min(stats["bytes_limit"] - stats["bytes_in_use"] for stats in found)

    def place_table(self, shape: tuple[int, int], parts: Iterable[np.ndarray], spread: bool) -> jax.Array:
        layout = self._cut if spread else self._whole
        rows = -(-shape[0] // self.devices) * self.devices
        table = jax.jit(lambda: jnp.zeros((rows, shape[1]), jnp.float16), out_shardings=layout)()
        write = jax.jit(jax.lax.dynamic_update_slice_in_dim, donate_argnums=0, static_argnums=3, out_shardings=layout)
        start = 0
        for part in parts:
            table = write(table, jax.device_put(part, self._whole), start, 0)
            start += len(part)
        return table

    def _train_on_devices(self, state, batch):
        weights, generators, slots = state
        batch = materialise(batch)
        loss_weights = self.application.build_loss_weights(batch)
        gradients, sums, generators = self._accumulate(weights, generators, batch, loss_weights)
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients))
        clip_norm = self.config.optimizer_config.clip_norm
        if clip_norm:
            gradients = [gradient * (clip_norm / jnp.maximum(norm, clip_norm)) for gradient in gradients]
        weights, slots = self.optimizer.stateless_apply(slots, gradients, weights)
        values = jnp.append(sums[:, 0] / jnp.maximum(sums[:, 1], 1e-5), norm)
        return [weights, generators, slots], values

    def _accumulate(self, weights, generators, batch, loss_weights):
        """Sums gradients and metrics over the parts of a batch, one part in memory at a time."""
        parts = self.config.accumulation
        if parts == 1:
            return self._gradients(weights, generators, batch, loss_weights)

        def cut(values):
            # A part takes some rows of each device, so that no row moves to another device.
            values = values.reshape(values.shape[0] // parts, parts, *values.shape[1:]).swapaxes(0, 1)
            return jax.lax.with_sharding_constraint(values, self._cut_parts)

        def add(total, part):
            gradients, sums, generators = total
            more_gradients, more_sums, generators = self._gradients(weights, generators, part, loss_weights)
            return (jax.tree.map(jnp.add, gradients, more_gradients), sums + more_sums, generators), None

        nothing = [jnp.zeros_like(weight) for weight in weights], jnp.zeros((len(self.application.metric_tags), 2))
        return jax.lax.scan(add, (*nothing, generators), jax.tree.map(cut, batch))[0]

    def _gradients(self, weights, generators, batch, loss_weights):
        def loss(weights):
            variables = [*self.model.trainable_variables, *self._generators()]
            with keras.StatelessScope(list(zip(variables, [*weights, *generators]))) as scope:
                logits = self.application.build_logits(batch, TRAIN)
                value = self.application.build_loss(logits, batch, loss_weights)
                sums = self._metric_sums(logits, batch)
            return value, (sums, [scope.get_current_value(variable) for variable in self._generators()])

        gradients, (sums, generators) = jax.grad(loss, has_aux=True)(weights)
        return gradients, sums, generators

    def _evaluate_on_devices(self, weights, batch):
        batch = materialise(batch)
        with keras.StatelessScope(list(zip(self.model.variables, weights))):
            return self._metric_sums(self.application.build_logits(batch, EVALUATE), batch)

    def _predict_whole(self, weights, batch):
        with keras.StatelessScope(list(zip(self.model.variables, weights))):
            return self.application.build_predictions(self.application.build_logits(batch, PREDICT))

    def _metric_sums(self, logits, batch):
        metrics = self.application.build_eval_metrics(logits, batch)
        return jnp.stack([jnp.stack(metrics[tag]) for tag in self.application.metric_tags])
