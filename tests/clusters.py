"""Clusters for tests that start no engine."""

import pickle
from collections import deque


class Sequential:
    """A cluster that makes every call here, the last one first and twice, as an engine may that lost a node."""

    def map(self, function, common, items):
        queue = items if isinstance(items, deque) else deque(items)
        common = pickle.loads(pickle.dumps(common))
        while queue:
            item = queue.pop()
            function(common, item)
            yield function(common, item)
