"""The process that speaks to Ray, and the only importer of it: what Ray prints, and its end, stay here.

Why a process of its own: Ray ends the program that has lost it, prints to its streams, and takes its signals. Here it
may. The main thread reads; so the end of the other side is seen at once, and with this process ends the Ray that it
started: the system kills its children with it, and they kill theirs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread, Timer
from time import sleep
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from ai_memory import __version__
from ai_memory.embed.pools.channel import LOADING, Channel
from ai_memory.embed.pools.ray.actor import Actor
from ai_memory.embed.pools.ray.messages import Came, Dismiss, Failing, Hire, Join, Joined, Left, NotJoined, Pass, Room

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ai_memory.embed.pools.ray.messages import RayMessage

PLACED_S = 60.0
"""Seconds that a cluster has to find room for an actor. A choice of 2026-11-27, not measured."""
LOOKS_S = 1.0
"""Seconds between two looks at whether Ray is still there."""
ROOM_LOOKS = 3
"""After so many of these looks another one at whether a cluster has room for more actors."""
ANSWERS_S = 10.0
"""Seconds that the head of a cluster has to answer at its port."""
JOINS_S = 90.0
"""Seconds that Ray has to start, or to let us in. Choices of 2026-11-27, not measured."""
LEAVES_S = 3.0
"""Seconds that taking leave of a cluster may take."""
STORE_BYTES = 80 * 2**20
"""Of what Ray keeps in shared memory; it takes no less. An answer of 64 vectors has 100 KB at most."""
_LOOPBACK = "127.0.0.1"
NOT_LET_IN = "it asks for a token, and that of here is not its own"


def serve(channel: Channel[RayMessage], join: Join) -> None:
    """Speak to Ray for whoever has the other end of the channel, until it is closed."""
    crew = _Crew(channel)
    # What Ray starts ends with the thread that started it: that one stays.
    Thread(target=_join, args=(crew, join), daemon=True).start()
    while (message := channel.receive()) is not None:
        match message:
            case Hire():
                crew.hire(message)
            case Pass():
                crew.ask(message)
            case Dismiss():
                crew.dismiss(message.worker)


def _join(crew: _Crew, join: Join) -> None:
    """Start a Ray, or connect to one, and look after it; end this process where that cannot be, or once it is gone."""
    unjoined = _after(JOINS_S, lambda: _give_up(crew, join, f"it did not answer within {JOINS_S:.0f} s"))
    try:
        joined = _joined(join)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        _give_up(crew, join, _first_line(error))
    else:
        unjoined.cancel()
        crew.say(joined)
        looks = 0
        while _is_there(join):
            sleep(LOOKS_S)
            looks += 1
            if join.address and looks % ROOM_LOOKS == 0:
                crew.tell_room()
        end(Path(join.folder))


class _Crew:
    """The actors, by number."""

    def __init__(self, channel: Channel[RayMessage]) -> None:
        self._channel = channel
        self._lock = Lock()
        self._actors: dict[int, Any] = {}
        self._unplaced: set[int] = set()
        self._free = 0
        # Ray's client calls back in the thread that brings its answers: whoever asks for another one there waits for
        # ever.
        self._heard = ThreadPoolExecutor(1)

    def say(self, message: RayMessage) -> None:
        # Where nobody is left to read it, the process ends.
        with suppress(OSError):
            self._channel.send(message)

    def hire(self, hire: Hire) -> None:
        made = ray.remote(Actor).options(
            num_cpus=1, max_restarts=0, max_task_retries=0, max_concurrency=hire.at_once + 1
        )
        actor = made.remote(hire.begin)
        with self._lock:
            self._actors[hire.worker] = actor
            self._unplaced.add(hire.worker)
        unplaced = _after(PLACED_S, lambda: self._not_placed(hire.worker))

        def placed(version: Future[str]) -> None:
            unplaced.cancel()
            self._unplaced.discard(hire.worker)
            if error := version.exception():
                self._failed(hire.worker, LOADING, error)
            elif version.result() != __version__:
                self._refuse(hire.worker, f"as it is ai-memory {version.result()} and not {__version__}")
            else:
                self._when_said(hire.worker, LOADING, actor.load.remote())

        self._when(actor.version.remote(), placed)

    def ask(self, asked: Pass) -> None:
        with self._lock:
            actor = self._actors.get(asked.worker)
        if actor is None:
            self.say(Left(asked.worker, "before it was asked"))
        else:
            self._when_said(asked.worker, asked.number, actor.answer.remote(asked.ask))

    def dismiss(self, worker: int) -> None:
        with self._lock:
            actor = self._actors.pop(worker, None)
            self._unplaced.discard(worker)
        if actor is not None:
            with suppress(RayError):
                ray.kill(actor)

    def tell_room(self) -> None:
        """Say how many cores nobody has, unless an actor of ours is about to take one."""
        with suppress(RayError, OSError, RuntimeError):
            # What was taken a moment ago is told as free for a second or so: of two looks the lesser is right.
            before, self._free = self._free, 0 if self._unplaced else _free_cores()
            self.say(Room(min(before, self._free)))

    def _when_said(self, worker: int, number: int, said: Any) -> None:  # noqa: ANN401 - Ray's
        def pass_on(found: Future[Any]) -> None:
            if error := found.exception():
                self._failed(worker, number, error)
            else:
                told, answer = found.result()
                self.say(Came(worker, told, answer))

        self._when(said, pass_on)

    def _when(self, answer: Any, heard: Callable[[Future[Any]], None]) -> None:  # noqa: ANN401 - Ray's
        answer.future().add_done_callback(lambda found: self._heard.submit(heard, found))

    def _failed(self, worker: int, number: int, error: BaseException) -> None:
        if isinstance(error, RayTaskError) and not isinstance(error, RayActorError):
            self.say(Failing(worker, number, str(error)))
            return
        with self._lock:
            known = self._actors.pop(worker, None)
        if known is not None:
            self.say(Left(worker, "unexpectedly"))

    def _not_placed(self, worker: int) -> None:
        self._refuse(worker, f"as the cluster had no room for it within {PLACED_S:.0f} s", no_room=True)

    def _refuse(self, worker: int, how: str, *, no_room: bool = False) -> None:
        self.dismiss(worker)
        self.say(Left(worker, how, blames=False, no_room=no_room))


def _after(seconds: float, what: Callable[[], None]) -> Timer:
    """Begin to wait, and do something then, unless that is cancelled."""
    timer = Timer(seconds, what)
    timer.daemon = True
    timer.start()
    return timer


def _give_up(crew: _Crew, join: Join, why: str) -> None:
    crew.say(NotJoined(why))
    end(Path(join.folder))


def _joined(join: Join) -> Joined:
    """Start a Ray, or connect to one."""
    if join.address:
        # Ray itself would try for half a minute.
        bare = join.address.removeprefix("ray://")
        host, _, port = bare.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWERS_S).close()
        _require_let_in(bare)
        ray.init(address=join.address, log_to_driver=False, configure_logging=False)
        return Joined(_free_cores(), f"at {join.address}")
    _keep_to_loopback()
    ray.init(
        address="local",
        num_cpus=join.cores,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=STORE_BYTES,
        _node_ip_address=_LOOPBACK,
        _temp_dir=join.folder,
    )
    only = ray.util.get_node_ip_address() == _LOOPBACK
    return Joined(join.cores, "on loopback alone" if only else "beyond loopback")


def _require_let_in(address: str) -> None:
    """Check that a cluster takes our token: where it does not, Ray's client tries for half a minute, and says nothing.

    Raises:
        RuntimeError: it does not.
    """
    import grpc
    from ray._private.grpc_utils import init_grpc_channel
    from ray.core.generated import ray_client_pb2, ray_client_pb2_grpc

    ping = ray_client_pb2.ClusterInfoRequest(type=ray_client_pb2.ClusterInfoType.PING)
    with init_grpc_channel(address) as channel:
        try:
            ray_client_pb2_grpc.RayletDriverStub(channel).ClusterInfo(ping, timeout=ANSWERS_S)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                raise RuntimeError(NOT_LET_IN) from error


def _free_cores() -> int:
    return int(ray.available_resources().get("CPU", 0))


def _keep_to_loopback() -> None:
    """Have Ray listen on the address that it is told: on Linux it takes that of the network where it is told this."""
    from ray._private import services

    services.resolve_ip_for_localhost = lambda host: host


def _is_there(join: Join) -> bool:
    if join.address:
        return bool(ray.is_initialized()) and bool(ray.util.client.ray.is_connected())
    from ray._private.worker import _global_node

    dead = _global_node.dead_processes() if _global_node else [("raylet", None)]
    return not {"raylet", "gcs_server"} & {kind for kind, _ in dead}


def end(folder: Path) -> None:
    """End this process, and with it what it started, which is all in its group; never returns."""
    from ray._private.worker import _global_node

    if _global_node is None:
        _within(LEAVES_S, ray.shutdown)
    else:
        _global_node.kill_all_processes(check_alive=False, allow_graceful=False)
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _within(seconds: float, what: Callable[[], object]) -> None:
    """Do something, and wait for it so many seconds at most."""
    doing = Thread(target=what, daemon=True)
    doing.start()
    doing.join(seconds)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _let_ray_be_ended() -> None:
    """Heed no SIGTERM here, but let the processes of Ray heed it: by it some of them end themselves."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def main() -> None:
    """Serve over the socket whose number is the first argument, until its other end is closed; never returns."""
    _let_ray_be_ended()
    channel: Channel[RayMessage] = Channel(socket.socket(fileno=int(sys.argv[1])))
    join = channel.receive()
    if isinstance(join, Join):
        serve(channel, join)
        end(Path(join.folder))
