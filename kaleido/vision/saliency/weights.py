"""Reads and writes the saliency network: a folder with `config.json` and `model.safetensors`, float16."""

from pathlib import Path

import keras

from kaleido.errors import UserError
from kaleido.network_folder import load_variables, read_network_config, write_network
from kaleido.vision.saliency.unet import SIDE, WIDTHS, build_unet

SHIPPED = Path(__file__).with_name("network")
"""Folder of the network that comes with the package, trained on the wardrobe (`docs/saliency.md`)."""

_CONTENT = {"class": "SaliencyUnet", "architecture": {"side": SIDE, "widths": list(WIDTHS)}}


def save_network(network: keras.Model, directory: Path) -> None:
    """Writes a trained network as a folder.

    Raises:
        UserError: if the folder cannot be written.
    """
    write_network(directory, _CONTENT, network.weights, dtype="float16")


def load_network(directory: Path = SHIPPED) -> keras.Model:
    """Reads a network that `save_network` wrote.

    Raises:
        UserError: if it cannot be read, is damaged, or is another network than this version builds.
    """
    content = read_network_config(directory)
    if any(content.get(key) != value for key, value in _CONTENT.items()):
        raise UserError(f"{directory}: not a saliency network, or one of another version. Received: {content['class']}")
    network = build_unet("zeros")
    load_variables(directory, content, network.weights)
    return network
