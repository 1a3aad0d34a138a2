"""A pretrained text-to-image pipeline of the diffusers library, as it is, under your own prompts."""

import math
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from penchant.core.config import build
from penchant.core.contracts import NO_ANNOTATIONS, Annotations, Budget, Capabilities, Generator, ImageSpec, Workspace
from penchant.core.errors import BadConfiguration, StudyDamaged
from penchant.core.pretrained import read_config, write_config
from penchant.core.rng import Rng
from penchant.generators._adapted_pipeline import AdaptedPipeline
from penchant.generators._common import check_condition, check_latents, image_spec
from penchant.generators._pipeline import Pipeline, Run, load_pipeline, resolved, wear

KIND = "generators/diffusers_pipeline"


@dataclass(frozen=True)
class DiffusersPipeline:
    """A text-to-image pipeline whose initial noise is the latent and whose prompt embeddings are the condition.

    Nothing is trained: votes choose among what the pipeline makes of your prompts, and ``latent_tilt``, ``best_of_n``
    and ``noise_search`` bend it. The study's images are what figures compare with; its size is what the pipeline's
    images are brought to. Few-step pipelines (Turbo, LCM, Lightning, Schnell) come first: an image costs ``steps``
    passes of a large network, and gradients keep them all in memory. Where a few hundred images of your own are to be
    the material, a generator trained on them (``gan``, ``flow``) is smaller by a factor of hundreds.

    The weights stay where they are, and their SHA-256 is kept: a study whose pipeline has changed says so. LoRA files
    are copied into the study. Where a scheduler draws noise on the way, every image is given the same draws.

    Args:
        model: a folder that diffusers' ``save_pretrained`` wrote, or an id on the hub; safetensors only.
        prompts: what is asked of it where no prompt is given; of several, one more latent number picks one.
        negative_prompt: what is steered away from, where ``guidance`` is above 1.
        steps: denoising steps.
        guidance: classifier-free guidance; few-step pipelines want 0, others 5 to 8.
        pixels: width and height that the pipeline draws, before they are brought to the study's; 0 for its own.
        scheduler: a diffusers scheduler in place of the pipeline's, such as ``DDIMScheduler``.
        loras: LoRA files (.safetensors) that are switched on.
        lora_scales: how strongly, each; 1 without.
        precision: of the networks.
        batch: images a pass.
        seed: of the draws on the way.
    """

    model: str
    prompts: tuple[str, ...] = ("",)
    negative_prompt: str = ""
    steps: int = 4
    guidance: float = 0.0
    pixels: int = 0
    scheduler: str = ""
    loras: tuple[str, ...] = ()
    lora_scales: tuple[float, ...] = ()
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    batch: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1 or self.pixels < 0 or not self.prompts:
            raise ValueError("steps and batch must be at least 1, pixels at least 0, and prompts hold one or more")
        if not 0 <= self.guidance < math.inf:
            raise ValueError(f"guidance must be at least 0 and finite; found {self.guidance:g}")
        if self.lora_scales and len(self.lora_scales) != len(self.loras):
            raise ValueError(f"{len(self.loras)} loras need as many lora_scales; found {len(self.lora_scales)}")

    def fit(
        self,
        images: UInt8[np.ndarray, "n c h w"],
        budget: Budget,
        rng: Rng,
        workspace: Workspace,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> "PipelineImages":
        """Load the pipeline and see that it makes images; ``budget`` is not used.

        Raises:
            BadImages: ``images`` are not bytes shaped n × 1 or 3 × size × size of a size that is known.
            BadConfiguration: the pipeline cannot be had or does not make images as set.
        """
        image = image_spec(images, "a diffusers pipeline")
        settings = replace(self, model=resolved(self.model))
        generator = PipelineImages(image, settings, _loras(settings, Path()))
        generator.check(rng)
        return generator

    @staticmethod
    def load(directory: Path) -> "PipelineImages":
        """What :meth:`PipelineImages.save_pretrained` wrote; the pipeline must still be where it was.

        Raises:
            StudyDamaged: a file is missing, or pipeline or LoRA are not those that were used.
            BadConfiguration: the pipeline cannot be had any more.
        """
        config = read_config(directory)
        try:
            settings = build(DiffusersPipeline, config["settings"], where=str(directory / "config.json"))
            image, able = ImageSpec(**config["image"]), Capabilities(**config["capabilities"])
            weights, worn = str(config["weights_sha256"]), list(config["loras_sha256"])
        except (KeyError, TypeError) as error:
            raise StudyDamaged(f"{directory / 'config.json'} does not describe a pipeline: {error}") from None
        loras = _loras(settings, directory)
        for path, expected in zip(loras, worn, strict=True):
            if not path.is_file() or _sha256(path.read_bytes()) != expected:
                raise StudyDamaged(f"{path} is not the LoRA that was saved (its hash differs)")
        generator = PipelineImages(image, settings, loras, able)
        if generator.weights != weights:
            raise StudyDamaged(
                f"the weights of the pipeline '{settings.model}' are not those that {directory} was made with (SHA-256 "
                f"{weights[:16]}…, found {generator.weights[:16]}…); bring those back, or make a new study"
            )
        return generator


class PipelineImages(Generator):
    """G(z): the pipeline's image from initial noise z under a prompt. What :class:`DiffusersPipeline` makes.

    ``latent_dim`` is the size of the noise, and one more where there are several prompts: Φ of that last number says
    which prompt. Memory with gradients grows with steps × batch.
    """

    def __init__(
        self,
        image: ImageSpec,
        settings: DiffusersPipeline,
        loras: list[Path],
        capabilities: Capabilities | None = None,
    ):
        pipe = load_pipeline(settings.model, settings.scheduler, settings.precision)
        run = Run(settings.steps, settings.guidance, settings.pixels, settings.seed)
        try:
            self.pipeline = Pipeline(pipe, run, settings.negative_prompt)
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise BadConfiguration(
                f"{type(pipe).__name__} makes no image with steps={run.steps}, guidance={run.guidance:g}, "
                f"pixels={run.pixels}: {error}"
            ) from error
        self.weights = self.pipeline.weights()
        wear(pipe, loras, settings.lora_scales or (1.0,) * len(loras))
        self.image, self.settings = image, settings
        self.loras = [path.read_bytes() for path in loras]  # whatever becomes of the files
        self._own = torch.cat([self.pipeline.condition(prompt) for prompt in settings.prompts])
        self._noise_dim = math.prod(self.pipeline.noise_shape)
        self.latent_dim = self._noise_dim + (len(self._own) > 1)
        self.condition_dim = self.pipeline.condition_dim
        self.capabilities = capabilities or Capabilities(True, False, True, settings.steps == 1, True)

    def decode(self, latents: Float[Tensor, "n z"], condition: Any = None) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1]; raises BadConfiguration for latents or a condition of another width."""
        check_latents(latents, self.latent_dim)
        told = check_condition(condition, len(latents), self.condition_dim, latents.device)
        if told is None:
            told = self._own.to(latents.device)[self.chosen_prompts(latents)]
        batches = zip(latents.split(self.settings.batch), told.split(self.settings.batch), strict=True)
        return torch.cat([self._brought(self.pipeline(z[:, : self._noise_dim], c)).to(z) for z, c in batches])

    def chosen_prompts(self, latents: Float[Tensor, "n z"]) -> Tensor:
        """Which of the study's prompts each latent stands for, counted from 0."""
        count = len(self._own)
        if count == 1:
            return torch.zeros(len(latents), dtype=torch.long, device=latents.device)
        share = torch.special.ndtr(latents[:, -1].detach().double())
        return (share * count).long().clamp(0, count - 1)

    def prompted(self, text: str) -> Float[Tensor, "1 c"]:
        """The condition for a prompt, by the pipeline's own text encoders."""
        return self.pipeline.condition(text)

    def conditions(self, latents: Float[Tensor, "n z"]) -> Float[Tensor, "n c"]:
        """The prompt that each latent stands for, as a condition."""
        return self._own[self.chosen_prompts(latents).cpu()]

    def adapted(self, rank: int, rng: Rng) -> AdaptedPipeline:
        """A second copy in memory, with a LoRA on its attention; see :class:`AdaptedPipeline` for what it raises."""
        return AdaptedPipeline(self.wearing(), self.wearing, rank, rng)

    def wearing(self, lora: bytes | None = None) -> "PipelineImages":
        """A copy, with one more LoRA switched on.

        Raises:
            BadConfiguration: the pipeline cannot be had any more, or has changed since.
        """
        worn = self.loras if lora is None else [*self.loras, lora]
        scales = self.settings.lora_scales or (1.0,) * len(self.loras)
        with TemporaryDirectory() as folder:
            paths = [Path(folder, f"lora{number}.safetensors") for number in range(len(worn))]
            for path, data in zip(paths, worn, strict=True):
                path.write_bytes(data)
            names = tuple(path.name for path in paths)
            settings = replace(self.settings, loras=names, lora_scales=(*scales, 1.0)[: len(worn)])
            copy = PipelineImages(self.image, settings, paths, self.capabilities)
        if copy.weights != self.weights:
            raise BadConfiguration(f"the pipeline '{self.settings.model}' has changed on disk since it was loaded")
        return copy

    def check(self, rng: Rng) -> None:
        """Draw two images and find out about gradients; raises BadConfiguration where they are no images."""
        latents = self.latents(2, rng.child("check"))
        name = f"the pipeline '{self.settings.model}'"
        with torch.no_grad():
            images = self.decode(latents)
        if not images.isfinite().all():
            raise BadConfiguration(f"{name} makes images that are not finite; precision='float32' may do")
        if torch.equal(images[0], images[1]):
            raise BadConfiguration(f"{name} gives the same image for different noise; more steps may do")
        self.capabilities = replace(self.capabilities, differentiable=self._has_gradients(latents[:1]))

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of the weights, LoRAs included."""
        return sha256(" ".join([self.weights, *map(_sha256, self.loras)]).encode()).hexdigest()[:16]

    def save_pretrained(self, directory: Path) -> None:
        """Write ``config.json``, with the pipeline's name and SHA-256, and copies of the LoRA files."""
        kept = [f"lora{number}.safetensors" for number in range(len(self.loras))]
        described = {
            "settings": asdict(replace(self.settings, loras=tuple(kept))),
            "image": asdict(self.image),
            "capabilities": asdict(self.capabilities),
            "weights_sha256": self.weights,
            "loras_sha256": [_sha256(data) for data in self.loras],
        }
        write_config(directory, KIND, described)
        for data, name in zip(self.loras, kept, strict=True):
            (directory / name).write_bytes(data)

    def _has_gradients(self, latents: Float[Tensor, "1 z"]) -> bool:
        given = latents.clone().requires_grad_()
        try:
            (slope,) = torch.autograd.grad(self.decode(given).sum(), given)
        except RuntimeError:  # a safety checker, say, looks at arrays
            return False
        return bool(slope.isfinite().all()) and bool(slope.abs().sum() > 0)

    def _brought(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c s s"]:
        """The images at the study's size, and grey where it is."""
        if images.shape[-1] != self.image.size or images.shape[-2] != self.image.size:
            size = (self.image.size, self.image.size)
            images = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        if self.image.channels == 1:
            luma = images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
            images = (images * luma).sum(dim=1, keepdim=True)
        return images.clamp(0, 1)


def _loras(settings: DiffusersPipeline, folder: Path) -> list[Path]:
    return [(folder / Path(name).expanduser()).resolve() for name in settings.loras]


def _sha256(data: bytes) -> str:
    return sha256(data).hexdigest()
