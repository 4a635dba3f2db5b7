"""`model`: what is done with the files of a local model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.commands.arguments import named_path
from ai_memory.commands.parser import add_global_flags
from ai_memory.embed.assemble import export_model
from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `export`, the only thing to do with a model."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    export = actions.add_parser("export", help="make the ONNX file by which it needs no torch; torch makes it, once")
    export.add_argument("folder", metavar="MODEL_FOLDER", type=named_path, help="the folder of its modules.json")
    add_global_flags(export)


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Make the ONNX file of a model, compared with what torch computes, and show where it is.

    Raises:
        NotFound: there is no such folder.
        UsageError: it has an ONNX file.
        EmbedderInitFailed: it cannot be made; nothing is left of it.
        StorageFailed: it cannot be written.
    """
    del settings
    made = export_model(args.folder, console.note)
    values = {"file": str(made.file), "texts": made.texts, "cosines": made.cosines}
    agreed = [f"  {name}: a cosine of at least {cosine:.7f}" for name, cosine in made.cosines.items()]
    console.result(
        values, printable(f"Made {made.file}. {made.texts} texts have the vectors that torch gives them in"), *agreed
    )
    return 0
