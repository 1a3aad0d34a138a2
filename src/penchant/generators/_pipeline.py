"""A text-to-image pipeline of the diffusers library as a function: noise and prompt embeddings in, images out."""

import inspect
import math
import re
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from penchant.core.errors import BadConfiguration
from penchant.core.pretrained import tensors_hash

EMBEDDINGS, POOLED = "prompt_embeds", "pooled_prompt_embeds"
NEGATIVE, NEGATIVE_POOLED = "negative_prompt_embeds", "negative_pooled_prompt_embeds"
MASK, NEGATIVE_MASK = "prompt_attention_mask", "negative_prompt_attention_mask"
LAYOUTS = (
    (EMBEDDINGS, NEGATIVE),  # Stable Diffusion 1 and 2, and models distilled from them
    (EMBEDDINGS, NEGATIVE, POOLED, NEGATIVE_POOLED),  # Stable Diffusion XL and 3
    (EMBEDDINGS, MASK, NEGATIVE, NEGATIVE_MASK),  # PixArt, Sana
    (EMBEDDINGS, POOLED, None),  # Flux
)
"""What ``encode_prompt`` of the pipelines gives, in order, as the pipelines' own calls name it; None is not passed."""

_ASIDE = re.compile(r"\s\(|\.\s")
"""Where the libraries' messages go on to explain themselves to programmers."""

MISSING = (
    "the generator 'diffusers_pipeline' needs the packages diffusers, transformers and peft, which cannot be imported "
    "({}): pip install 'penchant[diffusers]', or use a generator that is trained on your images, such as 'gan'"
)


@dataclass(frozen=True)
class Run:
    """How images are made: denoising steps, guidance, their pixels (0: the pipeline's own), and a seed for schedulers
    that draw noise on the way."""

    steps: int
    guidance: float
    pixels: int
    seed: int


class Pipeline:
    """A loaded pipeline. Calls are one at a time, since a pipeline's scheduler keeps count of its steps."""

    def __init__(self, pipe: Any, run: Run, negative_prompt: str):
        self.pipe, self.run = pipe, run
        self._negative_prompt = negative_prompt
        self._lock = Lock()
        # The pipelines' calls are wrapped in torch.no_grad; what is inside has gradients.
        self._call: Any = inspect.unwrap(type(pipe).__call__)
        self._accepts = inspect.signature(self._call).parameters
        for needed in ("latents", EMBEDDINGS, "num_inference_steps", "guidance_scale", "callback_on_step_end"):
            if needed not in self._accepts:
                raise BadConfiguration(
                    f"{type(pipe).__name__} takes no {needed}, so it is no text-to-image pipeline from latent noise; "
                    "those of Stable Diffusion, SDXL and their few-step descendants are"
                )
        pipe.set_progress_bar_config(disable=True)
        for module in self.modules.values():
            module.eval().requires_grad_(False)
        told = self._encoded("")
        self.shapes = {name: tuple(value.shape[1:]) for name, value in told.items() if not name.startswith("negative")}
        self._negatives = {name: value for name, value in told.items() if name.startswith("negative")}
        self.condition_dim = sum(math.prod(shape) for shape in self.shapes.values())
        self.noise_shape = self._noise_shape()

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The networks in it, by name."""
        return {name: part for name, part in sorted(self.pipe.components.items()) if isinstance(part, nn.Module)}

    @property
    def place(self) -> tuple[torch.device, torch.dtype]:
        """Where it computes, and in which precision."""
        return self.pipe.device, self.pipe.dtype

    def weights(self) -> str:
        """SHA-256 of all its networks' weights, as they were loaded."""
        states = {part: module.state_dict() for part, module in self.modules.items()}
        return tensors_hash(
            {f"{part} {name}": value for part, state in states.items() for name, value in state.items()}
        )

    @torch.no_grad()
    def condition(self, prompt: str) -> Float[Tensor, "1 c"]:
        """The embeddings of a prompt, flat, in single precision."""
        told = self._encoded(prompt)
        return torch.cat([told[name].flatten(1).float() for name in self.shapes], dim=1).cpu()

    def __call__(self, noise: Float[Tensor, "n z"], condition: Float[Tensor, "n c"]) -> Float[Tensor, "n 3 h w"]:
        """Images in [0, 1], with gradients to the noise and the condition where torch keeps any."""
        return self._drawn(noise, condition, "pt")

    @torch.no_grad()
    def clean(self, noise: Float[Tensor, "n z"], condition: Float[Tensor, "n c"]) -> Tensor:
        """What the denoiser makes of noise, before it is decoded to images."""
        return self._drawn(noise, condition, "latent")

    def told(self, condition: Float[Tensor, "n c"]) -> dict[str, Tensor]:
        """Flat conditions as the networks take them, by the names of the call's arguments."""
        rows = condition.to(*self.place).split([math.prod(shape) for shape in self.shapes.values()], dim=1)
        return {
            name: row.unflatten(1, shape).round().bool() if name == MASK else row.unflatten(1, shape)
            for (name, shape), row in zip(self.shapes.items(), rows, strict=True)
        }

    def _drawn(self, noise: Float[Tensor, "n z"], condition: Float[Tensor, "n c"], kind: str) -> Tensor:
        told = self.told(condition)
        told |= {name: value.expand(len(noise), *value.shape[1:]) for name, value in self._negatives.items()}
        latents = noise.to(*self.place).unflatten(1, self.noise_shape)
        return self._made(latents, told, self.run.steps, None, kind).float()

    def _made(
        self, latents: Tensor | None, told: dict[str, Tensor], steps: int, watch: Any, kind: str = "pt"
    ) -> Tensor:
        pixels = self.run.pixels or None
        count = 1 if latents is None else len(latents)
        # The same draws for every image, so that an image depends on its own noise alone.
        draws = [torch.Generator(self.pipe.device).manual_seed(self.run.seed) for _ in range(count)]
        with self._lock:
            made = self._call(
                self.pipe, height=pixels, width=pixels, num_inference_steps=steps, guidance_scale=self.run.guidance,
                generator=draws, latents=latents, callback_on_step_end=watch, output_type=kind, return_dict=False,
                **told,
            )  # fmt: skip
        return made[0]

    @torch.no_grad()
    def _encoded(self, prompt: str) -> dict[str, Tensor]:
        """What the text encoders make of one prompt, by the names of the call's arguments."""
        given: dict[str, Any] = {"prompt": [prompt], "device": self.pipe.device, "num_images_per_prompt": 1}
        given |= {"do_classifier_free_guidance": self.run.guidance > 1, "negative_prompt": [self._negative_prompt]}
        wanted = inspect.signature(self.pipe.encode_prompt).parameters
        # A second or third prompt that is not given is the first.
        needed = {name: None for name, kind in wanted.items() if kind.default is inspect.Parameter.empty}
        found = self.pipe.encode_prompt(**(needed | {name: value for name, value in given.items() if name in wanted}))
        for names in LAYOUTS:
            if len(names) == len(found) and all(name is None or name in self._accepts for name in names):
                return {name: value for name, value in zip(names, found, strict=True) if name and value is not None}
        raise BadConfiguration(
            f"{type(self.pipe).__name__} describes prompts in a way that is not known here ({len(found)} parts); known "
            "are those of Stable Diffusion, SDXL, SD 3, PixArt, Sana and Flux"
        )

    @torch.no_grad()
    def _noise_shape(self) -> tuple[int, ...]:
        """The shape of one image's noise as the pipeline wants it given, seen in a run of one step."""
        seen: list[tuple[int, ...]] = []

        def watch(pipe: Any, step: int, time: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            seen.append(tuple(tensors["latents"].shape[1:]))
            return tensors

        told = self._encoded("")
        self._made(None, told, max(1, min(2, self.run.steps)), watch)
        return seen[0]


def load_pipeline(model: str, scheduler: str, precision: str) -> Any:
    """The pipeline in a folder or on the hub, on the GPU where there is one; nothing is unpickled.

    Raises:
        BadConfiguration: diffusers is missing, the weights cannot be had as safetensors, or no such scheduler.
    """
    diffusers = _diffusers()
    model = resolved(model)
    try:
        with quiet():
            pipe = diffusers.DiffusionPipeline.from_pretrained(
                model, use_safetensors=True, trust_remote_code=False, dtype=getattr(torch, precision)
            )
    except (OSError, ValueError, TypeError, ImportError, AttributeError, RuntimeError, SafetensorError) as error:
        line = _ASIDE.split(str(error).strip().partition("\n")[0].rstrip("."))[0]
        raise BadConfiguration(
            f"the pipeline '{model}' cannot be had: {line}. Give a local folder that save_pretrained of a diffusers "
            "pipeline wrote (model_index.json and safetensors), or connect to the hub once so that it is kept"
        ) from None
    if scheduler:
        known = [kind.__name__ for kind in pipe.scheduler.compatibles]
        if scheduler not in known:
            raise BadConfiguration(
                f"no scheduler '{scheduler}' for {type(pipe).__name__}; there are: {', '.join(sorted(known))}"
            )
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    return pipe.to("cuda") if torch.cuda.is_available() else pipe


def wear(pipe: Any, loras: Sequence[Path], scales: Sequence[float]) -> None:
    """Load LoRA files into the pipeline and switch them on, each at its scale.

    Raises:
        BadConfiguration: a file is missing, is no LoRA of this pipeline, or peft is missing.
    """
    names = [f"slot{number}" for number in range(len(loras))]
    for path, name in zip(loras, names, strict=True):
        if path.suffix != ".safetensors" or not path.is_file():
            raise BadConfiguration(f"a LoRA is a .safetensors file; there is none at {path}")
        try:
            with quiet(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several are meant
                pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name=name)
        except (OSError, ValueError, KeyError, IndexError, RuntimeError, AttributeError, SafetensorError) as error:
            line = str(error).strip().partition("\n")[0]
            raise BadConfiguration(f"{path} is no LoRA for {type(pipe).__name__}: {line}") from None
    worn = {name for adapters in pipe.get_list_adapters().values() for name in adapters} if loras else set[str]()
    for path, name in zip(loras, names, strict=True):
        if name not in worn:
            raise BadConfiguration(f"{path} is no LoRA for {type(pipe).__name__}: it fits none of its layers")
    if names:
        pipe.set_adapters(names, list(scales))


@contextmanager
def quiet() -> Generator[None]:
    """Inside, the libraries report errors alone, and no progress: Penchant says what it is doing itself."""
    logs = [import_module(f"{library}.utils.logging") for library in ("transformers", "diffusers")]
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, (verbosity, bars) in zip(logs, before, strict=True):
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()


def resolved(model: str) -> str:
    """A local folder as an absolute path, anything else (an id on a hub) as it is.

    Raises:
        BadConfiguration: it looks like a folder and is none.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if model.startswith((".", "~", "/")):
        raise BadConfiguration(f"the generator 'diffusers_pipeline' needs a pipeline in {model}; there is none")
    return model


def _diffusers() -> Any:
    try:
        for needed in ("transformers", "peft"):
            import_module(needed)
        return import_module("diffusers")
    except ImportError as error:
        raise BadConfiguration(MISSING.format(error)) from None
