"""The network that one writes with PyTorch alone; only imported where asked for."""

import torch
from _networks import VOCABULARY_SIZE
from torch import nn

# As TensorFlow does. Gradients that vanish over the steps become subnormal numbers,
# with which some processors are slow. Threads inherit it, hence before there are any.
torch.set_flush_denormal(True)


class TorchNetwork(nn.Module):
    """Maps ids of shape (batch, steps) to scores of shape (batch,)."""

    def __init__(self, embedding_size, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY_SIZE, embedding_size, padding_idx=0)
        self.gru = nn.GRU(embedding_size, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, ids):
        hidden, _ = self.gru(self.embedding(ids))
        return self.head(hidden[:, -1])[:, 0]


class TorchTrainer:
    """Trains a `TorchNetwork` and predicts with it, as PyTorch's tutorials do.

    With `precision` "bfloat16" under `torch.autocast`.
    """

    def __init__(self, embedding_size, hidden_size, *, precision="float32"):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.autocast = torch.autocast(
            self.device, torch.bfloat16, enabled=precision == "bfloat16"
        )
        torch.manual_seed(0)
        self.network = TorchNetwork(embedding_size, hidden_size).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.001)
        self.loss = nn.BCEWithLogitsLoss()

    def train_on_batch(self, ids, targets):
        """Take a step, given arrays of shape (batch, steps) and (batch, 1)."""
        self.optimizer.zero_grad()
        with self.autocast:
            scores = self.network(self._tensor(ids))
            loss = self.loss(scores, self._tensor(targets[:, 0]))
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        # Waits for a GPU, as Keras' `train_on_batch` does.
        return loss.item()

    def predict(self, ids, batch_size):
        """Give the scores of many texts, shape (n_texts,)."""
        with torch.inference_mode(), self.autocast:
            scores = [
                self.network(self._tensor(ids[start : start + batch_size]))
                for start in range(0, len(ids), batch_size)
            ]
            return torch.cat(scores).float().cpu().numpy()

    def _tensor(self, array):
        return torch.from_numpy(array).to(self.device)
