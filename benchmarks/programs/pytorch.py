"""The runs in PyTorch, plain or with torch.compile: tensors made beforehand, batches by index, no DataLoader."""

import os
from collections.abc import Callable
from typing import Any

import data
import torch
import torch.nn.functional as F
from torch import nn

Run = Callable[[int], Any]

COMPILED = os.environ["BENCH_PEER"] == "torch_compile"


class WideAndDeep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden1, self.hidden2 = nn.Linear(6, 30), nn.Linear(30, 30)
        self.main_output, self.aux_output = nn.Linear(35, 1), nn.Linear(30, 1)

    def forward(self, wide: Any, deep: Any) -> Any:
        hidden = F.relu(self.hidden2(F.relu(self.hidden1(deep))))
        return self.main_output(torch.cat([wide, hidden], -1)), self.aux_output(hidden)


class LeNet5(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, 10),
        )


class Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2, self.expand, self.contract = nn.LayerNorm(width), nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Any) -> Any:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, width: int = 128, heads: int = 4, hidden: int = 512, blocks: int = 2) -> None:
        super().__init__()
        self.word, self.place = nn.Embedding(data.WORDS, width), nn.Embedding(data.TIME, width)
        self.blocks = nn.Sequential(*(Block(width, heads, hidden) for _ in range(blocks)))
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, data.WORDS)

    def forward(self, words: Any) -> Any:
        return self.logits(self.norm(self.blocks(self.word(words) + self.place.weight)))


class LSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(data.UNITS, data.UNITS, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[1][0][0]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(data.HEADS * data.HEAD_SIZE, data.HEADS, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x, need_weights=False)[0].mean(1)


def wide_and_deep() -> Run:
    train, held_out = (_tensors(arrays) for arrays in data.housing())
    model = _ready(WideAndDeep())
    optimizer = torch.optim.SGD(model.parameters(), 0.01, fused=True)

    def loss_of(wide: Any, deep: Any, y: Any) -> Any:
        main, aux = model(wide, deep)
        return 0.9 * F.mse_loss(main, y) + 0.1 * F.mse_loss(aux, y)

    def validate() -> float:
        with torch.inference_mode():
            losses = [loss_of(*batch) * len(batch[0]) for batch in zip(*(a.split(data.BATCH) for a in held_out), strict=True)]
            return float(sum(losses)) / len(held_out[0])

    def run(count: int) -> float:
        for _ in range(count):
            loss = _epoch(optimizer, loss_of, train, data.BATCH)
            validate()
        return loss

    return run


def lenet(batch: int) -> Run:
    x, y = _tensors(data.digits())
    return _training(LeNet5(), x.permute(0, 3, 1, 2).contiguous(), y.long(), batch)


def transformer() -> Run:
    x, y = _tensors(data.sentences())
    return _training(Transformer(), x, y.long(), data.BATCH)


def _training(model: nn.Module, x: Any, y: Any, batch: int) -> Run:
    model = _ready(model)
    optimizer = torch.optim.Adam(model.parameters(), 0.001, fused=True)

    def run(count: int) -> float:
        for _ in range(count):
            loss = _epoch(optimizer, lambda x, y: F.cross_entropy(model(x).flatten(0, -2), y.flatten()), (x, y), batch)
        return loss

    return run


def lstm() -> Run:
    return _regression(LSTM(), data.series(), data.SERIES_BATCH)


def lstm_forward() -> Run:
    return _outputs(LSTM(), data.series()[0], data.SERIES_BATCH)


def attention() -> Run:
    return _regression(Attention(), data.texts(), data.TEXTS_BATCH)


def attention_forward() -> Run:
    return _outputs(Attention(), data.texts()[0], data.TEXTS_BATCH)


def _regression(model: nn.Module, arrays: Any, batch: int) -> Run:
    model, tensors = _ready(model), _tensors(arrays)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, fused=True)

    def run(count: int) -> float:
        for _ in range(count):
            loss = _epoch(optimizer, lambda x, y: F.mse_loss(model(x), y), tensors, batch)
        return loss

    return run


def _outputs(model: nn.Module, x: Any, batch: int) -> Run:
    model = _ready(model).eval()

    def run(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                [model(part).numpy() for part in torch.from_numpy(x).split(batch)]

    return run


def _epoch(optimizer: Any, loss_of: Callable[..., Any], arrays: Any, batch: int) -> float:
    total = torch.zeros(())
    for index in torch.randperm(len(arrays[0])).split(batch):
        loss = loss_of(*(a[index] for a in arrays))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(index)
    return float(total) / len(arrays[0])


def predict(samples: int) -> Run:
    arrays, model = data.blocks(samples), _ready(WideAndDeep())

    def run(count: int) -> None:
        with torch.inference_mode():
            for _ in range(count):
                [output.numpy() for output in model(*_tensors(arrays))]

    return run


def call() -> Run:
    inputs, model = _tensors(data.blocks(1)), _ready(WideAndDeep())

    def run(count: int) -> None:
        for _ in range(count):
            model(*inputs)

    return run


def device() -> str:
    return "CPU"


def _tensors(arrays: Any) -> list[Any]:
    return [torch.from_numpy(a) for a in arrays]


def _ready(model: nn.Module) -> Any:
    return torch.compile(model) if COMPILED else model
