"""The tests. What they set for every process stands here, since it must be set before NumPy is imported."""

import os

# One thread per process, as in a worker of the service: more only get in each other's way, here and below.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray runs its workers at nice 15, where they get next to nothing beside tests that compute or a busy machine.
os.environ.setdefault("RAY_worker_niceness", "0")
