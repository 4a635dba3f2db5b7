"""Every embedder that there is, and every wrapper of the stack, keeps what the port says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from ai_memory.config.embedding import resolve
from ai_memory.config.file import Table
from ai_memory.embed.assemble import assemble
from ai_memory.embed.flow.concurrency import ConcurrencyLimiter, LimitedEmbedder
from ai_memory.embed.flow.documented import DocumentedLimits
from ai_memory.embed.flow.limiter import Unlimited
from ai_memory.embed.flow.observed_limiter import ObservedLimiter
from ai_memory.embed.flow.request_size import RequestSize
from ai_memory.embed.flow.retry import RetryingEmbedder
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.flow.time_limit import TimeLimit, TimeLimitedEmbedder
from ai_memory.embed.flow.token_budget import BudgetedEmbedder, TokenBudget
from ai_memory.embed.http.embedder import HttpEmbedder
from ai_memory.embed.http.ollama import OllamaDialect
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.embed.http.packing import Packing, PackingEmbedder
from ai_memory.embed.http.transport import Endpoint
from ai_memory.embed.http.wire import Dialect
from ai_memory.embed.local import engine_onnx, engine_openvino
from ai_memory.embed.local.embedder import LocalEmbedder
from ai_memory.embed.local.engine_file import FileEngine
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.onnx_files import read_model
from ai_memory.embed.port import ONE_ATTEMPT, Embedder, Engine, TokenLimit
from ai_memory.embed.stack.engines import make_engine
from ai_memory.embed.terms import Terms, Ties
from ai_memory.vectors.target import Target, Vectors
from tests.embed.conformance import Conformance, EngineConformance, PatientConformance, RemoteConformance, Subject
from tests.support.command import remote
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.fakes import HashEmbedder, patient

NOT_UNICODE = "half a \ud800"
NOMIC = "nomic-embed-text"
"""Its name alone gives documents and queries their prefixes."""

Make = Callable[[FakeEndpoint], Embedder]


def asking(dialect: Dialect, url: str) -> HttpEmbedder:
    target = Target("fake#p", 0, "openai-compatible", NOMIC, document_prefix="d: ", query_prefix="q: ")
    return HttpEmbedder(target, dialect, Endpoint(url), max_batch=2_048, limiter=Unlimited(4))


def openai(endpoint: FakeEndpoint) -> Embedder:
    return asking(OpenAiDialect(NOMIC), endpoint.url)


def ollama(endpoint: FakeEndpoint) -> Embedder:
    return asking(OllamaDialect(NOMIC), endpoint.ollama_url)


def limited(endpoint: FakeEndpoint) -> Embedder:
    return LimitedEmbedder(
        openai(endpoint), ConcurrencyLimiter(most=4, fixed=True, stop=Event(), sizes=RequestSize(DocumentedLimits()))
    )


def traced(endpoint: FakeEndpoint) -> Embedder:
    notes: list[str] = []
    limiter = ConcurrencyLimiter(most=4, fixed=False, stop=Event(), sizes=RequestSize(DocumentedLimits()))
    return LimitedEmbedder(openai(endpoint), ObservedLimiter(limiter, notes.append))


def spending(endpoint: FakeEndpoint) -> Embedder:
    inner = openai(endpoint)
    return BudgetedEmbedder(inner, TokenBudget(inner.meter, TokenLimit(10**6), prefix="d: "))


def packing(endpoint: FakeEndpoint) -> Embedder:
    return PackingEmbedder(openai(endpoint), Packing())


def retrying(endpoint: FakeEndpoint) -> RetryingEmbedder:
    return RetryingEmbedder(openai(endpoint), stop=Event(), retry_policy=ONE_ATTEMPT)


def divided(endpoint: FakeEndpoint) -> SplittingEmbedder:
    return SplittingEmbedder(retrying(endpoint), RequestSize(DocumentedLimits(inputs=4)))


def prompt(endpoint: FakeEndpoint) -> Embedder:
    return TimeLimitedEmbedder(divided(endpoint), TimeLimit.begin("that host", 100, Event()))


def assembled(endpoint: FakeEndpoint) -> Embedder:
    terms = Terms(ONE_ATTEMPT, concurrency=4, limit=TokenLimit(10**6), batch=5)
    return assemble(resolve(Table(), remote(endpoint)), terms)


def assembled_for_ollama(endpoint: FakeEndpoint) -> Embedder:
    environ = {"AI_MEMORY_EMBED_BACKEND": "ollama", "AI_MEMORY_EMBED_BASE_URL": endpoint.ollama_url}
    return assemble(resolve(Table(), {**remote(endpoint), **environ}), Terms(ONE_ATTEMPT))


ONE_REQUEST = [openai, ollama, limited, traced, spending, packing, retrying]
PATIENT = [divided, prompt, assembled, assembled_for_ollama]


@pytest.fixture
def server() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(model=NOMIC, dim=768) as server:
        yield server


class TestOneRequest(RemoteConformance):
    """The embedders of an endpoint of which a call is one request."""

    @pytest.fixture(params=ONE_REQUEST, ids=lambda make: make.__name__)
    def subject(self, request: pytest.FixtureRequest, server: FakeEndpoint) -> Subject:
        make: Make = request.param
        return Subject(make(server), server.vector, NOT_UNICODE, server)


class TestPatient(PatientConformance):
    """Those that divide and retry, as commands have them."""

    @pytest.fixture(params=PATIENT, ids=lambda make: make.__name__)
    def subject(self, request: pytest.FixtureRequest, server: FakeEndpoint) -> Subject:
        make: Make = request.param
        return Subject(make(server), server.vector, NOT_UNICODE, server)


@cache
def loaded(folder: Path) -> TorchEngine:
    """Return an engine of the real weights, loaded once for all that it is compared with."""
    return TorchEngine(str(folder), device="cpu", offline=True)


class TestTorch(EngineConformance):
    """PyTorch, with a tiny model: small, but a real one."""

    @pytest.fixture
    def engine(self, tiny_model: Path) -> TorchEngine:
        return TorchEngine(str(tiny_model), device="cpu", offline=True)


class TestFile(EngineConformance):
    """Both libraries that compute an ONNX file, with that of the tiny model."""

    @pytest.fixture(params=[engine_onnx, engine_openvino], ids=["onnx", "openvino"])
    def engine(self, request: pytest.FixtureRequest, tiny_onnx: Path) -> FileEngine:
        if not request.param.is_installed():
            pytest.skip("PyPI has no archive of it for this machine")
        return FileEngine(partial(read_model, tiny_onnx), request.param.open_graph)


class TestAuto(EngineConformance):
    """The engine that is chosen among those."""

    @pytest.fixture
    def engine(self, tiny_onnx: Path) -> Engine[Any]:
        table = Table(values={"embeddings": {"backend": "local", "model_path": str(tiny_onnx)}})
        return make_engine(resolve(table, {}), Ties(), tiny_onnx, Target("s", 32, "local", "tiny"))


@pytest.mark.real_model
class TestLocal(Conformance):
    """The real MiniLM, by itself and as commands have it."""

    @pytest.fixture(params=["bare", "assembled"])
    def subject(self, request: pytest.FixtureRequest, minilm_folder: Path) -> Subject:
        kept = loaded(minilm_folder)

        def alone(text: str) -> Vectors:
            found: Vectors = kept.run(kept.tokenize([text]))[0]
            return found

        if request.param == "bare":
            target = Target("m", 0, "local", "MiniLM", document_prefix="d: ", query_prefix="q: ")
            own = TorchEngine(str(minilm_folder), device="cpu", offline=True)
            return Subject(LocalEmbedder(target, own), alone, NOT_UNICODE)
        table = {"backend": "local", "model_path": str(minilm_folder), "device": "cpu"}
        settings = resolve(Table(values={"embeddings": table}), {})
        return Subject(assemble(settings, Terms(ONE_ATTEMPT)), alone, NOT_UNICODE)


class TestFake(Conformance):
    """The fake that stands for an embedder in the tests of others."""

    @pytest.fixture(params=["bare", "patient"])
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        fake = HashEmbedder(poison="bad")
        return Subject(fake if request.param == "bare" else patient(fake), HashEmbedder().vector, "bad")
