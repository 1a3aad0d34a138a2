"""A map of the noise on disk: its sizes and dial in ``config.json``, its weights in ``transport.safetensors``."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from penchant.alignment._transport import Transport
from penchant.core.errors import StudyDamaged
from penchant.core.pretrained import read_config, write_config, write_tensors
from penchant.core.rng import Rng

_WEIGHTS = "transport.safetensors"


def write_map(directory: Path, kind: str, transport: Transport, dial: float) -> None:
    """``kind`` names the aligner that wrote it."""
    settings = {
        "latent_dim": len(transport.shift),
        "couplings": len(transport.couplings),
        "hidden": transport.hidden,
        "dial": dial,
    }
    write_config(directory, f"alignment/{kind}", settings)
    write_tensors(directory / _WEIGHTS, transport.state_dict())


def read_map(directory: Path) -> tuple[str, Transport, float]:
    """The kind, the map and its dial.

    Raises:
        StudyDamaged: a file is missing or does not fit the other.
    """
    config, weights = read_config(directory), directory / _WEIGHTS
    try:
        transport = Transport(config["latent_dim"], config["couplings"], config["hidden"], Rng(0))
        transport.load_state_dict(load_file(weights))
        dial = float(config["dial"])
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise StudyDamaged(f"{weights} is not the map that its config.json describes: {error}") from None
    return config["penchant"].rpartition("/")[2], transport, dial
