"""Training of networks: encoders and heads, normalised losses, measured cost, the training loop.

Importing it asks for reproducible arithmetic, which has to be done before PyTorch computes anything.
"""

from grouping.extras import missing_of, require
from grouping.training.arithmetic import ask_for_reproducibility

if missing_of("bundle"):  # what runs networks; training them needs more, which is told where it is missing
    require("training")
ask_for_reproducibility()
