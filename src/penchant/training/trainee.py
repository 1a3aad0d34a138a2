"""An objective with what training adds to it: its optimiser and the average of its weights."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from penchant.training.average import WeightAverage
from penchant.training.layout import laid_out, memory_format
from penchant.training.muon import Muon
from penchant.training.objective import Adam, MuonAdam, Objective


class Trainee:
    """The state of one objective; :meth:`tensors` is all of it, under flat names."""

    def __init__(self, objective: Objective, device: torch.device):
        self.objective = objective
        module = laid_out(objective.module.to(device).train(), memory_format(objective.module))
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        matrices = [parameter for parameter in trained if parameter.ndim >= 2]
        vectors = [parameter for parameter in trained if parameter.ndim < 2]
        self.parameters = matrices + vectors
        chosen = objective.optimiser
        self._adam = chosen.adam if isinstance(chosen, MuonAdam) else chosen
        self.clip_norm = self._adam.clip
        if isinstance(chosen, MuonAdam):
            optimisers = [Muon(matrices, chosen.learning_rate, chosen.momentum) if matrices else None]
            optimisers += [_adamw([], vectors, chosen.adam, device) if vectors else None]
        else:
            optimisers = [_adamw(matrices, vectors, chosen, device)]
        self.optimisers: list[torch.optim.Optimizer] = [one for one in optimisers if one is not None]
        self._rates = [one.param_groups[0]["lr"] for one in self.optimisers]
        self._average = WeightAverage(module, objective.half_life) if objective.half_life is not None else None

    def forget(self) -> None:
        """Clear the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def clip(self) -> float:
        """Bound the gradient's norm; gives the norm before, not finite where any number was not."""
        return torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm).item()

    def step(self, pace: float, fraction: float, images: int, step_images: int) -> None:
        """Move along the gradient at ``pace`` times the top learning rate, and the average along with it."""
        for optimiser, rate in zip(self.optimisers, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = pace * rate
                if "betas" in group:
                    group["betas"] = self._adam.betas_at(fraction)
            optimiser.step()
        if self._average is not None:
            self._average.update(images, step_images)

    def finish(self) -> None:
        """Leave the averaged weights in the module, ready for use, and lying as those that are read from a file do."""
        if self._average is not None:
            self.objective.module.load_state_dict(self._average.weights)
        laid_out(self.objective.module.eval(), torch.contiguous_format)

    @contextmanager
    def shown(self) -> Generator[None]:
        """The module holds the averaged weights inside this block, lying as they will when training is over."""
        module = self.objective.module.eval()
        own = {name: value.clone() for name, value in module.state_dict().items()}
        if self._average is not None:
            module.load_state_dict(self._average.weights)
        laid_out(module, torch.contiguous_format)
        try:
            yield
        finally:
            module.load_state_dict(own)
            laid_out(module.train(), memory_format(module))

    def averaged(self) -> dict[str, Tensor]:
        """A copy of the averaged weights."""
        weights = self.objective.module.state_dict() if self._average is None else self._average.weights
        return {f"{self.objective.name}/{name}": value.clone() for name, value in weights.items()}

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Put what :meth:`averaged` gave into the module."""
        self.objective.module.load_state_dict(_below(weights, f"{self.objective.name}/"))

    def shapes(self) -> dict[str, list[int]]:
        """The network's outline."""
        return {name: list(value.shape) for name, value in self.objective.module.state_dict().items()}

    def tensors(self) -> dict[str, Tensor]:
        """Weights, optimiser state and averaged weights."""
        named = {f"weights/{name}": value for name, value in self.objective.module.state_dict().items()}
        state = {parameter: values for one in self.optimisers for parameter, values in one.state.items()}
        for index, parameter in enumerate(self.parameters):
            named |= {f"optimiser/{index}/{key}": value for key, value in state.get(parameter, {}).items()}
        if self._average is not None:
            named |= {f"average/{name}": value for name, value in self._average.weights.items()}
        return {f"{self.objective.name}/{name}": value for name, value in named.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`tensors` gave."""
        named = _below(tensors, f"{self.objective.name}/")
        self.objective.module.load_state_dict(_below(named, "weights/"))
        places = {parameter: index for index, parameter in enumerate(self.parameters)}
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    found = _below(named, f"optimiser/{places[parameter]}/")
                    if found:
                        optimiser.state[parameter] = {name: _like(parameter, value) for name, value in found.items()}
        if self._average is not None:
            self._average.load(_below(named, "average/"))


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """On the parameter's device and, where it is one number for each of its own, in its order of memory."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _below(named: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in named.items() if name.startswith(start)}


def _adamw(
    matrices: list[nn.Parameter], vectors: list[nn.Parameter], adam: Adam, device: torch.device
) -> torch.optim.AdamW:
    """One fused kernel for all parameters; only matrices decay."""
    groups = [(matrices, adam.weight_decay), (vectors, 0.0)]
    return torch.optim.AdamW(
        [{"params": members, "weight_decay": decay} for members, decay in groups if members],
        lr=adam.learning_rate,
        betas=adam.betas,
        fused=device.type in ("cpu", "cuda"),
    )
