"""Make the PyTorch files of this folder: `python tests/data/torch/make.py`, with PyTorch installed.

`NAME.npz` has `x`, samples as PyTorch takes them, and `y`, what the network predicts for them; all
files of one network share it. README.md in `tests/data` has the versions that made the files.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as f

HERE = Path(__file__).parent


class Net(nn.Module):
    """A small LeNet for images (2, 12, 10)."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3)
        self.conv2 = nn.Conv2d(3, 4, (2, 3), padding="same", bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.fc1 = nn.Linear(16, 9)
        self.norm1d = nn.BatchNorm1d(9)
        self.fc2 = nn.Linear(9, 10)

    def forward(self, x):
        x = f.max_pool2d(f.relu(self.conv1(x)), 2)
        x = f.avg_pool2d(torch.tanh(self.norm(self.conv2(x))), 2)
        x = self.norm1d(self.fc1(torch.flatten(x, 1)))
        return torch.softmax(self.fc2(torch.sigmoid(x)), 1)


def numbered():
    """Modules with numbers for names, more than ten, two of the same shape."""
    layers = [nn.Flatten(), nn.Linear(20, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 8), nn.ReLU()]
    layers += [nn.Dropout(), nn.Identity(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)]
    return nn.Sequential(*layers, nn.Softmax(1))


def trained(net, *shape):
    """With statistics of its own, and what it predicts."""
    for _ in range(3):
        net(torch.rand(16, *shape))
    net.eval()
    x = torch.rand(3, *shape)
    with torch.inference_mode():
        return {"x": x.numpy(), "y": net(x).numpy()}


torch.manual_seed(0)
net = Net()
np.savez_compressed(HERE / "net.npz", **trained(net, 2, 12, 10))
state = net.state_dict()
torch.save(state, HERE / "net.pt")
torch.save(state, HERE / "net_legacy.pt", _use_new_zipfile_serialization=False)
save_file(state, HERE / "net.safetensors")
adam = torch.optim.Adam(net.parameters())
checkpoint = {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": adam.state_dict()}
torch.save(checkpoint | {"loss": 0.25}, HERE / "net_checkpoint.pth")
torch.save({name: w.to(torch.bfloat16) for name, w in state.items()}, HERE / "net_bfloat16.pt")
torch.save(net, HERE / "net_module.pt")  # refused: it is a pickled object
torch.jit.script(net).save(HERE / "net_torchscript.pt")  # refused

net = numbered()
np.savez_compressed(HERE / "numbered.npz", **trained(net, 1, 4, 5))
torch.save(net.state_dict(), HERE / "numbered.pt")
save_file(net.state_dict(), HERE / "numbered.safetensors")
