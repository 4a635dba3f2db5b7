"""What every embedder keeps, whoever computes and whatever wraps it: the promises of `embed/port.py`, tried.

A test module gives a fixture `subject` and takes a class of here in: `class TestThese(Conformance): …`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest

from ai_memory.embed.port import ONE_ATTEMPT, Embedder, Engine, ResilientEmbedder
from ai_memory.embed.usage import Usage
from ai_memory.errors import EmbedError, RowsRefused
from ai_memory.vectors.target import Vectors
from tests.support.fake_endpoint import FOREVER, FakeEndpoint
from tests.support.travel import back, same

TEXTS = [
    "a short one",
    "a much longer one, of which a model makes more tokens than of those around it",
    "Zürich, 東京",
    " ",
    "a short one",
    "\0",
    "last",
]
NEAR = 1e-5
"""What a component of a vector may differ by in another company; of an endpoint that tells the truth, nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An embedder that was just made.

    `alone` gives the vector of one text as it stands, without any prefix, and knows nothing of the embedder. `bad` is a
    text that gets no vector. `endpoint` is whom it asks, None where it computes by itself.
    """

    embedder: Embedder
    alone: Callable[[str], Vectors]
    bad: str
    endpoint: FakeEndpoint | None = None

    @property
    def patient(self) -> ResilientEmbedder:
        """The same, where it is a patient one."""
        return cast("ResilientEmbedder", self.embedder)

    def documents(self, texts: list[str]) -> Vectors:
        """Return the vectors that documents must get."""
        return np.stack([self.alone(self.embedder.target.document_prefix + text) for text in texts])


def near(one: Vectors, other: Vectors) -> bool:
    """Return whether two arrays are the same vectors in the same order."""
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=NEAR))


class Conformance:
    """For every embedder."""

    def test_rows_come_in_the_order_of_the_texts(self, subject: Subject) -> None:
        expected = subject.documents(TEXTS)

        assert near(subject.embedder.embed_documents(TEXTS), expected)
        assert near(subject.embedder.embed_documents(TEXTS[::-1]), expected[::-1])

    def test_each_text_gets_one_row_of_float32_also_where_it_stands_twice(self, subject: Subject) -> None:
        for count in (1, 2, len(TEXTS)):
            found = subject.embedder.embed_documents(TEXTS[:count])
            assert found.dtype == np.float32
            assert found.shape == (count, subject.embedder.target.dim)
        again = subject.embedder.embed_documents(TEXTS)
        assert near(again[0], again[4])
        assert not near(again[0], again[6])

    def test_a_query_gets_one_vector(self, subject: Subject) -> None:
        found = subject.embedder.embed_query("a question")

        assert found.dtype == np.float32
        assert found.shape == (subject.embedder.target.dim,)

    def test_documents_and_queries_have_their_own_prefixes(self, subject: Subject) -> None:
        target = subject.embedder.target

        [document] = subject.embedder.embed_documents(["a text"])
        query = subject.embedder.embed_query("a text")

        assert near(document, subject.alone(f"{target.document_prefix}a text"))
        assert near(query, subject.alone(f"{target.query_prefix}a text"))
        assert near(document, query) is (target.document_prefix == target.query_prefix)

    def test_no_texts_are_no_rows_and_ask_nobody(self, subject: Subject) -> None:
        embedder = subject.embedder
        for _ in range(2):
            before = embedder.meter.spent
            found = embedder.embed_documents([])

            assert found.dtype == np.float32
            assert found.shape == (0, embedder.target.dim)
            assert embedder.meter.spent == before
            embedder.embed_documents(TEXTS)

    def test_what_is_known_of_the_target_before_is_true_after(self, subject: Subject) -> None:
        before = subject.embedder.target
        subject.embedder.embed_documents(TEXTS[:2])
        after = subject.embedder.target

        assert after.dim == len(subject.alone("a text"))
        assert (before.dim or after.dim) == after.dim
        assert (before.space, before.backend, before.model) == (after.space, after.backend, after.model)

    def test_what_is_used_is_counted(self, subject: Subject) -> None:
        embedder = subject.embedder
        assert embedder.meter.spent == Usage()
        embedder.embed_documents(TEXTS)
        before = embedder.meter.spent
        embedder.embed_documents(TEXTS)
        embedder.embed_query("a question")
        used = embedder.meter.spent - before

        assert (used.texts_sent, used.retries) == (len(TEXTS) + 1, 0)
        assert used.requests >= 2
        assert used.tokens + used.unreported_bytes >= len(TEXTS) + 1

    def test_a_text_without_a_vector_is_an_embed_error_that_travels_and_harms_no_later_call(
        self, subject: Subject
    ) -> None:
        with pytest.raises(EmbedError) as caught:
            subject.embedder.embed_documents(["good", subject.bad, "better"])
        with pytest.raises(EmbedError):
            subject.embedder.embed_query(subject.bad)

        assert caught.value.of_texts
        assert same(back(caught.value), caught.value)
        assert near(subject.embedder.embed_documents(["good"]), subject.documents(["good"]))

    def test_as_many_texts_fit_as_one_call_may_carry(self, subject: Subject) -> None:
        embedder = subject.embedder
        for _ in range(2):
            assert embedder.max_batch >= 1
            assert embedder.concurrency >= 1
            assert embedder.fitting(["x"]) == embedder.fitting(["x" * 65_536]) == 1
            assert 1 <= embedder.fitting(["x"] * 10_000) <= embedder.max_batch
            embedder.embed_documents(TEXTS[: embedder.fitting(TEXTS)])

    def test_any_thread_may_call(self, subject: Subject) -> None:
        expected = subject.documents(TEXTS)
        found: list[Vectors] = []
        threads = [
            threading.Thread(target=lambda: found.append(subject.embedder.embed_documents(TEXTS))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 4
        assert all(near(each, expected) for each in found)

    def test_it_closes_twice_before_and_after_its_use_and_opens_again(self, subject: Subject) -> None:
        embedder = subject.embedder
        embedder.close()
        first = embedder.embed_documents(TEXTS)
        embedder.close()
        embedder.close()

        assert near(embedder.embed_documents(TEXTS), first)
        embedder.close()

    def test_its_values_travel(self, subject: Subject) -> None:
        vectors = subject.embedder.embed_documents(TEXTS)

        for value in (vectors, vectors[0], subject.embedder.target, subject.embedder.meter.spent):
            assert same(back(value), value)


REFUSALS = ("quota", "unauthorized", "no-model", "bad-request", "too-large", "server-error", "unavailable")
BROKEN = ("not-json", "reset", "close", "short", "narrow", "nan", "zero")


class RemoteConformance(Conformance):
    """For every embedder that asks an endpoint, each call one attempt."""

    @pytest.mark.parametrize("fault", [*REFUSALS, *BROKEN])
    def test_whatever_the_endpoint_does_is_an_embed_error_that_travels(self, subject: Subject, fault: str) -> None:
        assert subject.endpoint
        subject.embedder.embed_documents(TEXTS)
        subject.endpoint.fail(fault, times=FOREVER)
        with pytest.raises(EmbedError) as caught:
            subject.embedder.embed_documents(TEXTS[:2])
        subject.endpoint.heal()

        assert same(back(caught.value), caught.value)
        assert near(subject.embedder.embed_documents(TEXTS), subject.documents(TEXTS))

    def test_a_closed_one_asks_over_a_new_connection(self, subject: Subject) -> None:
        assert subject.endpoint
        subject.embedder.embed_documents(TEXTS)
        subject.embedder.embed_documents(TEXTS)
        before = len(subject.endpoint.seen.connections)
        subject.embedder.close()
        subject.embedder.embed_documents(TEXTS[:1])

        assert len(subject.endpoint.seen.connections) == before + 1


class PatientConformance(RemoteConformance):
    """For every embedder that retries by itself and divides a batch."""

    def test_each_text_has_its_outcome_in_its_place(self, subject: Subject) -> None:
        found = list(subject.patient.each(["good", subject.bad, "better", "good"]))

        assert [type(each) is np.ndarray for each in found] == [True, False, True, True]
        assert isinstance(found[1], EmbedError)
        assert same(back(found), found)
        assert list(subject.patient.each([])) == []

    def test_another_patience_is_the_same_embedder(self, subject: Subject) -> None:
        for other in (subject.patient.with_retry_policy(ONE_ATTEMPT), subject.patient.at_once()):
            before = subject.embedder.meter.spent
            assert near(other.embed_documents(TEXTS), subject.documents(TEXTS))
            assert subject.embedder.meter.spent != before
            assert other.target == subject.embedder.target

    def test_what_one_has_learned_another_can_take_over(self, subject: Subject) -> None:
        assert subject.endpoint
        subject.endpoint.change(max_inputs=2)
        assert near(subject.embedder.embed_documents(TEXTS), subject.documents(TEXTS))
        learned = subject.patient.learned()

        assert learned["inputs"] == subject.embedder.max_batch <= 2
        assert same(back(learned), learned)
        subject.patient.restore({"inputs": 1})
        assert subject.embedder.max_batch == 1
        assert near(subject.embedder.embed_documents(TEXTS), subject.documents(TEXTS))


class EngineConformance:
    """For everything that computes vectors on this machine; a fixture `engine` gives one that was just made."""

    def test_it_tells_what_it_loaded(self, engine: Engine[Any]) -> None:
        facts = engine.facts()

        assert facts.dim >= 2
        assert facts.max_tokens >= 0
        assert engine.device
        assert same(back(facts), facts)
        assert engine.facts() == facts

    def test_a_pass_gives_each_text_its_row_in_order(self, engine: Engine[Any]) -> None:
        together = engine.run(engine.tokenize(TEXTS))
        alone = np.concatenate([engine.run(engine.tokenize([text])) for text in TEXTS])

        assert together.dtype == alone.dtype == np.float32
        assert together.shape == (len(TEXTS), engine.facts().dim)
        assert near(together, alone)

    def test_the_same_pass_gives_the_same_bytes(self, engine: Engine[Any]) -> None:
        once, again = (engine.run(engine.tokenize(TEXTS)) for _ in range(2))

        assert once.tobytes() == again.tobytes()

    def test_what_stands_behind_the_last_token_that_is_read_changes_nothing(self, engine: Engine[Any]) -> None:
        longest = "tea " * engine.facts().max_tokens
        cut, longer = (engine.run(engine.tokenize([text])) for text in (longest, f"{longest} not"))

        assert near(cut, longer)

    def test_a_text_that_cannot_be_read_is_refused_and_harms_no_later_pass(self, engine: Engine[Any]) -> None:
        with pytest.raises(RowsRefused):
            engine.run(engine.tokenize(["good", "half a \ud800"]))

        assert engine.run(engine.tokenize(["good"])).shape == (1, engine.facts().dim)

    def test_it_closes_twice_and_loads_again(self, engine: Engine[Any]) -> None:
        engine.close()
        first = engine.run(engine.tokenize(TEXTS))
        engine.close()
        engine.close()

        assert engine.run(engine.tokenize(TEXTS)).tobytes() == first.tobytes()
