"""A Hugging Face model folder: weights, configuration and a model card made from the provenance. Offline."""

import json
import os
from pathlib import Path
from typing import Any

from googlenet.errors import InputError, counted
from googlenet.files import atomic_write, open_regular
from googlenet.network.cost import cost
from googlenet.weights.checkpoint import WEIGHTS_NAME, Checkpoint, save, shareable

__all__ = ["write_hub_folder"]

CONFIGURATION = "config.json"

BEGIN, END = "<!-- begin of the card by googlenet -->", "<!-- end of the card by googlenet -->"
"""Between these marks a README is written anew; what stands around them is a person's."""

LARGEST_TEXT = 16 * 2**20
"""Bytes of a README or configuration that is looked into."""


def write_hub_folder(folder: str | os.PathLike[str], checkpoint: Checkpoint) -> bool:
    """Write `model.safetensors`, `config.json` and `README.md`; `googlenet.load(folder)` reads them back.

    The folder may be new, a clone of a repository of the hub, or one that was written before. Of a README, only what
    stands between the marks of an earlier card is replaced; one without them is somebody's own and stays as it is, and
    False is returned. Raises `InputError` where the folder holds another model's files or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: not a folder; name another")
    _refuse_foreign(folder)
    card = _card_within(folder / "README.md", model_card(checkpoint))
    save(folder / WEIGHTS_NAME, checkpoint)
    _write(folder / CONFIGURATION, json.dumps(_configuration(checkpoint), indent=2, ensure_ascii=False) + "\n")
    if card is None:
        return False
    _write(folder / "README.md", card)
    return True


def model_card(checkpoint: Checkpoint) -> str:
    """Return the card: front matter for the hub, what the model is, how to use it, where it comes from."""
    specification = checkpoint.specification
    found = cost(specification)
    pixels, resize = specification.pixels, specification.pixels.resize
    antialias = "antialiased" if resize.antialias else "not antialiased"
    lines = [
        "---",
        "library_name: googlenet",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {tag}" for tag in ("image-classification", "googlenet", "inception", specification.name)),
        "---",
        "",
        BEGIN,
        "",
        f"# {specification.name}",
        "",
        'A network of "Going deeper with convolutions" (Szegedy et al., 2014), '
        f"{counted(len(checkpoint.classes), 'classes')}, for the package `googlenet`.",
        "",
        "```python",
        "import googlenet",
        "",
        'model = googlenet.load("path/to/this/folder")',
        'for answer in model.predict(["photo.jpg"]):',
        "    print(answer.best.name, answer.best.probability)",
        "```",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {found.parameters:,} |",
        f"| multiply-adds an image | {found.multiply_adds:,} |",
        f"| input | {' x '.join(map(str, specification.input))}, {pixels.order}, white {pixels.white:g}, "
        f"mean {_numbers(pixels.mean)}, divided by {_numbers(pixels.scale)} |",
        f"| resize | {resize.geometry} to {resize.size}, {resize.filter}, {antialias}, then the centre |",
        "",
        "## Provenance",
        "",
        *(_provenance(shareable(checkpoint.provenance)) or ["Nothing is known."]),
        "",
        "## Classes",
        "",
        ", ".join(f"{_inline(item.name)} ({_inline(item.id)})" for item in checkpoint.classes[:20])
        + (f", and {len(checkpoint.classes) - 20} more in `config.json`" if len(checkpoint.classes) > 20 else ""),
        "",
        END,
        "",
    ]
    return "\n".join(lines)


def _refuse_foreign(folder: Path) -> None:
    """Raise `InputError` unless what is there may stand beside a model, and nothing of another one is overwritten."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not names:
        return
    if CONFIGURATION in names or WEIGHTS_NAME in names:
        if '"library_name": "googlenet"' not in (_text(folder / CONFIGURATION) or ""):
            found = CONFIGURATION if CONFIGURATION in names else WEIGHTS_NAME
            raise InputError(f"{folder}: {found} is another model's; name an empty or a new folder")
    elif ".git" not in names:
        raise InputError(f"{folder}: holds {names[0]} and no model of this package; name an empty or a new folder")


def _card_within(path: Path, card: str) -> str | None:
    """Return the README with `card` in the place of an earlier one, or None where a person wrote all of it."""
    if not path.exists():
        return card
    text = _text(path)
    if text is None or text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        return None
    body = card[card.index(BEGIN) : card.index(END)]
    return text[: text.index(BEGIN)] + body + text[text.index(END) :]


def _text(path: Path) -> str | None:
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_TEXT + 1)
        return content.decode() if len(content) <= LARGEST_TEXT else None
    except (OSError, ValueError):  # not a file, or not UTF-8
        return None


def _configuration(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "library_name": "googlenet",
        "model_type": "googlenet",
        "specification": json.loads(checkpoint.specification.to_json()),
        "id2label": {str(index): item.name for index, item in enumerate(checkpoint.classes)},
        "class_ids": [item.id for item in checkpoint.classes],
        "provenance": shareable(checkpoint.provenance),
    }


def _provenance(value: Any, depth: int = 0) -> list[str]:
    """Write nested JSON as a nested list."""
    if not isinstance(value, dict):
        return []
    lines = []
    for key, content in value.items():
        indent = "  " * depth
        if isinstance(content, dict):
            lines += [f"{indent}- {_inline(key)}:", *_provenance(content, depth + 1)]
        else:
            lines.append(
                f"{indent}- {_inline(key)}: {_inline(content if isinstance(content, str) else json.dumps(content))}"
            )
    return lines


def _inline(text: str) -> str:
    """Keep what comes from elsewhere from being markup: one line, its special characters escaped."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>#|!" else character for character in line)


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
