"""Batches made in other processes, handed over in shared memory."""

import mmap
import traceback
import weakref
from collections import deque
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.child_process import answer, end_child, start_children
from kaleido.errors import UserError

if TYPE_CHECKING:
    from kaleido.records.stream import Batch, BatchStream

_ALIGNMENT = 64
_SMALL = 2**14
"""Arrays below this many bytes travel with the message."""

_SLACK = 1.25
"""Bytes of a slot for each byte of the first batch, because texts are of different lengths."""


class BatchProcesses:
    """Processes that make the batches of a stream; `batch` may be called from as many threads.

    `child_process` tells how they start and end.

    Args:
        stream: The stream; it is pickled.
        count: Number of processes.
        first: A batch of the stream, whose size the slots of memory are made for.
        slots: Number of batches that are in memory at once; further ones are copied.

    Raises:
        UserError: if the stream cannot be pickled.
    """

    def __init__(self, stream: "BatchStream", count: int, first: "Batch", slots: int):
        try:
            # As `Connection.send` does, but once for all processes, and before any is started.
            self._stream = ForkingPickler.dumps(stream)
        except Exception as error:  # what cannot be pickled raises nearly anything
            raise UserError(
                f"these batches cannot be made in processes ({error}); set preprocess_config.worker_kind to threads"
            ) from None
        size = sum(-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in first.values())
        self._slot = -(-int(size * _SLACK) // mmap.PAGESIZE) * mmap.PAGESIZE
        # What ends a process that reads a file that has become shorter.
        self._check_records = stream.records.check_sizes
        self._memory, started = start_children(work, count, self._slot * slots, self._slot)
        # Emptied and filled from any thread, even by the garbage collector: a deque needs no lock for that.
        self._free = deque(range(slots))
        self._processes = [process for process, _ in started]
        self._idle = deque(connection for _, connection in started)
        self._new = set(self._idle)

    def batch(self, step: int) -> "Batch":
        """Makes the batch of a step, as the stream's `batch` does, and raises what that raises.

        Raises:
            UserError: if a process was killed.
        """
        connection = self._idle.popleft()
        try:
            slot = self._free.popleft()
        except IndexError:
            # All are in use. Asking before would not do: another thread may take the last one in between.
            slot = -1
        try:
            if connection in self._new:
                self._new.remove(connection)
                connection.send_bytes(self._stream)
            connection.send((step, slot))
            made, error = answer(connection)
        except TimeoutError as stuck:
            for process in self._processes:
                process.kill()
            raise UserError(f"a process that makes batches is stuck ({stuck}); look at the records' disk") from None
        except (EOFError, OSError):
            self._check_records()
            raise UserError(
                "a process that makes batches was killed, perhaps for lack of memory; lower preprocess_config.workers, "
                "or set preprocess_config.worker_kind to threads"
            ) from None
        finally:
            self._idle.append(connection)
        if slot >= 0:
            memory = np.frombuffer(self._memory, np.uint8, self._slot, slot * self._slot)
            # When the last array of the batch is gone, JAX's and TensorFlow's views included.
            weakref.finalize(memory, self._free.append, slot).atexit = False
        if error is not None:
            raise error
        return {name: v.view(memory) if isinstance(v, _Placed) else v for name, v in made.items()}

    def close(self) -> None:
        """Ends the processes, none of which may be at work."""
        for connection in self._idle:
            connection.close()
        for process in self._processes:
            end_child(process)


class _Placed:
    """Place, type and shape of an array in a slot."""

    def __init__(self, start: int, array: np.ndarray):
        self._place = slice(start, start + array.nbytes)
        self._dtype, self._shape = array.dtype, array.shape

    def view(self, memory: np.ndarray) -> np.ndarray:
        return memory[self._place].view(self._dtype).reshape(self._shape)


class _Slot:
    """Memory for the arrays of one batch."""

    def __init__(self, memory: np.ndarray):
        self._memory = memory
        self._start = memory.ctypes.data
        self._used = 0

    def allocate(self, size: int) -> np.ndarray:
        """Gives uint8 [size] of the slot, or new memory if nothing is left of it."""
        used = self._used + -(-size // _ALIGNMENT) * _ALIGNMENT
        if used > len(self._memory):
            return np.empty(size, np.uint8)
        part = self._memory[self._used : self._used + size]
        self._used = used
        return part

    def put(self, array: np.ndarray) -> "np.ndarray | _Placed":
        """Describes where an array is, after copying it into the slot if it is elsewhere and large."""
        start = array.ctypes.data - self._start
        if 0 <= start < len(self._memory) and array.flags.c_contiguous:
            return _Placed(start, array)
        if array.nbytes < _SMALL:
            return array
        part = self.allocate(array.nbytes)
        start = part.ctypes.data - self._start
        if not 0 <= start < len(self._memory):
            return array
        part[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return _Placed(start, array)


def work(connection: Connection, shared: mmap.mmap, slot_size: int) -> None:
    """Makes batches until the connection ends; what a process of `BatchProcesses` runs."""
    memory = np.frombuffer(shared, np.uint8)
    try:
        stream: BatchStream = connection.recv()
        while True:
            step, number = connection.recv()
            slot = _Slot(memory[number * slot_size : (number + 1) * slot_size] if number >= 0 else memory[:0])
            stream.allocate = slot.allocate
            try:
                answer: Any = {name: slot.put(array) for name, array in stream.batch(step).items()}, None
            except Exception as error:
                known = isinstance(error, UserError | IndexError)
                answer = None, error if known else RuntimeError(traceback.format_exc())
            connection.send(answer)
    except (EOFError, OSError):
        # The other side is done, or was killed.
        return
