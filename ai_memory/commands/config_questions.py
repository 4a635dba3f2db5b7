"""What `config init` asks at a terminal: which embedder there is, as far as no flag has said it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ai_memory.config import vendors
from ai_memory.config.embedding import DEFAULT_MODELS
from ai_memory.vectors.target import LOCAL, MAX_DIM

Setting = str | int
Ask = Callable[[str], str]
"""Asks a question and returns the answer, without blanks around it; empty where only Enter was typed."""
NO_FLAG = "nothing"


def answered(given: Mapping[str, Setting], ask: Ask) -> dict[str, Setting]:
    """Return the settings of [embeddings] that were `given` or are asked for; what needs no setting has none."""
    found = dict(given)

    def take(name: str, question: str, fits: Callable[[str], str] = lambda _: "") -> None:
        """Ask for a setting until the answer fits: of one that does not, `fits` returns what is wrong."""
        while name not in found and (answer := ask(question)):
            if fault := fits(answer):
                question = f"{fault} {question}"
            else:
                found[name] = int(answer) if name == "dim" else answer

    take("backend", f"What gives texts their vectors, one of {', '.join(vendors.BACKENDS)} [{LOCAL}]", _backend_fault)
    backend = str(found.get("backend", LOCAL)).lower().replace("_", "-")
    vendor = vendors.find(backend)
    if vendor:
        take("base_url", f"The address of the endpoint [{vendor.base_url or NO_FLAG}]")
    take("model", f"The name of the model [{DEFAULT_MODELS.get(backend, NO_FLAG)}]")
    take("dim", "The width of the vectors [as the model has it]", _dim_fault)
    if vendor and vendor.takes_key:
        default = f"the variable {vendor.key_env}" if vendor.key_env else "no key"
        take("api_key_file", f"A file with the key in its first line, readable by you alone [{default}]")
    return found


def _backend_fault(answer: str) -> str:
    return "" if answer.lower().replace("_", "-") in vendors.BACKENDS else "That is none of them."


def _dim_fault(answer: str) -> str:
    whole = answer.isascii() and answer.isdigit() and len(answer) < 10
    return "" if whole and 1 <= int(answer) <= MAX_DIM else f"That is no whole number from 1 to {MAX_DIM:,}."
