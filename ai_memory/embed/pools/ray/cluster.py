"""The Ray of a run: its own on this machine, or a cluster's; joined by whoever first needs it, and again once lost."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ai_memory.embed.pools.crew import Crew, Words
from ai_memory.embed.pools.ray.bridge import Bridge
from ai_memory.embed.pools.ray.messages import Join, Joined
from ai_memory.embed.pools.straggling import Pace
from ai_memory.embed.port import LOCAL_RAY
from ai_memory.errors import EmbedderInitFailed, TransientFailure
from ai_memory.system.process_env import process_environment

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.pools.channel import Begin, Tell
    from ai_memory.embed.pools.crew import Model
    from ai_memory.embed.pools.ray.bridge import RayWorker

INSTALL = 'Type: pip install "ray[client]>=2.60.0"'
WORDS = Words("worker", "workers", "If a machine of the cluster was short of memory, give it fewer cores in Ray.")
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5"}
"""Nothing is sent to Ray's makers; a cluster ends our actors so many seconds after we are gone."""
HASTY = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
"""For so many seconds what is left of a Ray of our own looks for it, once it is gone."""
_SHORT = "/tmp"  # noqa: S108 - Ray puts sockets in there, whose paths have 107 bytes at most; the name is not foretold


def require_ray() -> None:
    """Check that Ray is installed, without importing it.

    Raises:
        EmbedderInitFailed: it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise EmbedderInitFailed("--embedders ray needs ray, which is not installed.", tip=INSTALL)


def require_cores(cluster: Cluster) -> int:
    """Return how many cores of a cluster nobody has; each of our actors takes one.

    Raises:
        EmbedderInitFailed: none, or the cluster cannot be joined.
    """
    if cores := cluster.joined().cores:
        return cores
    cluster.close()
    raise EmbedderInitFailed(
        f"all cores of the Ray cluster at {cluster.address} are taken.",
        tip="Wait until others have ended, or add a node.",
    )


class Cluster:
    """One Ray; any thread may use it. `address` is LOCAL_RAY for one of `cores` on this machine, or begins with ray://."""

    def __init__(self, address: str, cores: int, awaited: Awaited, tell: Tell) -> None:
        """Start and connect to nothing yet; `awaited` can break off all that is waited for."""
        self.address, self._cores, self._awaited, self._tell = address, cores, awaited, tell
        self._lock, self._numbers = Lock(), count()
        self._bridge: Bridge | None = None
        self._was_joined = False

    def joined(self) -> Joined:
        """Return what is known of the cluster, once it is joined.

        Raises:
            EmbedderInitFailed: it cannot be; TransientFailure: it could before.
        """
        return self._there()[1]

    def crew(self, many: int, model: Model, tell: Tell) -> Crew:
        """Return so many actors that load a model; the first call for vectors joins the cluster.

        `tell` is told what actors say to people.
        """
        return Crew(
            many,
            lambda: self._hire(model.begin(), tell),
            model.at_once,
            model.max_batch,
            WORDS,
            pace=Pace(),
            on_record=model.on_record,
            end=self.close,
            spare=None if self.address == LOCAL_RAY else self._spare,
        )

    def close(self) -> None:
        """Leave the cluster, or end it where it is our own; it is joined again by whoever needs it."""
        with self._lock:
            bridge, self._bridge = self._bridge, None
        if bridge:
            bridge.close()

    def _hire(self, begin: Begin, tell: Tell) -> RayWorker:
        bridge, _ = self._there()
        return bridge.hire(next(self._numbers), begin, tell)

    def _spare(self) -> int:
        bridge = self._bridge
        return bridge.spare() if bridge else 0

    def _there(self) -> tuple[Bridge, Joined]:
        with self._lock:
            if self._bridge and self._bridge.has_ended:
                self._tell("The Ray that the actors belonged to is gone; it is joined anew.")
                self._bridge = None
            bridge = self._bridge or self._begun()
            found = bridge.joined()
            if not isinstance(found, Joined):
                bridge.close()
                self._awaited.require()
                raise self._refusal(found.why)
            self._bridge, self._was_joined = bridge, True
            return bridge, found

    def _begun(self) -> Bridge:
        folder = tempfile.mkdtemp(prefix="ai-memory-ray-", dir=_SHORT if Path(_SHORT).is_dir() else None)
        address = "" if self.address == LOCAL_RAY else self.address
        join = Join(address, self._cores, folder, secrets.token_hex(32))
        try:
            return Bridge(join, _environment(join), self._awaited)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise self._refusal(error.strerror or "") from error

    def _refusal(self, why: str) -> EmbedderInitFailed | TransientFailure:
        why = f"{why.rstrip('.')}."
        if self._was_joined:
            return TransientFailure(f"Ray is not there any more: {why}", in_doubt=True)
        if self.address == LOCAL_RAY:
            return EmbedderInitFailed(f"no Ray can be started on this machine: {why}", tip="Give --embedders a number.")
        return EmbedderInitFailed(
            f"no Ray cluster can be used at {self.address}: {why}",
            tip="Name the head's address and the port of its Ray client server, like ray://head:10001; its token is"
            " read as Ray reads it (RAY_AUTH_TOKEN).",
        )


def _environment(join: Join) -> Mapping[str, str]:
    """Return the environment of the process that speaks to Ray; our own Ray lets in only who has its token."""
    env = {**QUIET, **process_environment()}
    if not join.address:
        env.pop("RAY_ADDRESS", None)
        env |= {**HASTY, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": join.token}
    return env
