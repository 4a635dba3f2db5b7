"""What `config init` asks at a terminal: which embedder there is, as far as no flag has said it; and is that one?"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from ai_memory.config import vendors
from ai_memory.config.embedding import DEFAULT_MODELS, for_any_embedder, resolve
from ai_memory.config.file import Table
from ai_memory.embed.buildable import require_buildable
from ai_memory.text.refused_value import key_shaped, written_as_path
from ai_memory.vectors.target import LOCAL, MAX_DIM

Setting = str | int
Ask = Callable[[str], str]
"""Asks a question and returns the answer, without blanks around it; empty where only Enter was typed."""
NO_FLAG, NEEDED = "nothing", "needed"
NO_USUAL = "There is no usual one."


def answered(given: Mapping[str, Setting], ask: Ask) -> dict[str, Setting]:
    """Return the settings of [embeddings] that were `given` or are asked for; what needs no setting has none."""
    found = dict(given)

    def take(name: str, question: str, fits: Callable[[str], str] = lambda _: "", *, needed: bool = False) -> None:
        """Ask for a setting until the answer fits: of one that does not, `fits` returns what is wrong."""
        fault = ""
        while name not in found:
            answer = ask(f"{fault} {question}".strip())
            if not answer and not needed:
                return
            fault = fits(answer) if answer else NO_USUAL
            if not fault:
                found[name] = int(answer) if name == "dim" else answer

    take("backend", f"What gives texts their vectors, one of {', '.join(vendors.BACKENDS)} [{LOCAL}]", _backend_fault)
    backend = str(found.get("backend", LOCAL)).lower().replace("_", "-")
    vendor, model = vendors.find(backend), DEFAULT_MODELS.get(backend)
    if vendor:
        usual = vendor.base_url
        take("base_url", f"The address of the endpoint [{usual or NEEDED}]", needed=not usual)
    needed = vendor is not None and not model
    take("model", f"The name of the model [{model or (NEEDED if needed else NO_FLAG)}]", needed=needed)
    take("dim", "The width of the vectors [as the model has it]", _dim_fault)
    if vendor and vendor.takes_key:
        default = f"the variable {vendor.key_env}" if vendor.key_env else "no key"
        take("api_key_file", f"A file with the key in its first line, readable by you alone [{default}]", _file_fault)
    return found


def require_sense(path: Path, text: str, environ: Mapping[str, str]) -> None:
    """Refuse the text of a file at `path` whose settings make no sense by themselves, whatever this shell has set.

    Raises:
        EmbedderInitFailed: a value makes none, or no embedder can be built from them.
    """
    found = resolve(Table(path, values=tomllib.loads(text)), for_any_embedder(environ))
    if vendors.find(found.backend.value):
        require_buildable(found)


def _backend_fault(answer: str) -> str:
    return "" if answer.lower().replace("_", "-") in vendors.BACKENDS else "That is none of them."


def _dim_fault(answer: str) -> str:
    whole = answer.isascii() and answer.isdigit() and len(answer) < 10
    return "" if whole and 1 <= int(answer) <= MAX_DIM else f"That is no whole number from 1 to {MAX_DIM:,}."


def _file_fault(answer: str) -> str:
    looks = key_shaped(answer) and not written_as_path(answer)
    return "That looks like a key, and is not kept; a file that holds it is asked for." if looks else ""
