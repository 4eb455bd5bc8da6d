"""Training of networks: encoders and heads, normalised losses, measured cost, the training loop.

Importing it asks for reproducible arithmetic, which has to be done before PyTorch computes anything.
"""

from grouping.extras import require
from grouping.training.arithmetic import ask_for_reproducibility

require("training")
ask_for_reproducibility()
