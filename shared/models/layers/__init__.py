"""Layers that can be trained privately at the cost of ordinary training.

Outside a private step they are ordinary modules with ordinary autograd gradients. Inside one
(`shared.privacy.gradients.PrivateGradient.recording`) each keeps what the gradient of every single
user is made of, activations and output gradients, instead of summing it away.
"""

from shared.models.layers.base import PrivateLayer, Recorder
from shared.models.layers.embedding import Embedding
from shared.models.layers.linear import Linear
from shared.models.layers.lstm import LSTM

__all__ = ["LSTM", "Embedding", "Linear", "PrivateLayer", "Recorder"]
