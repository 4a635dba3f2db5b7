"""Where workers with a model work: processes of this machine, or actors of a Ray; and how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.embed.port import LOCAL_RAY
from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.pools.channel import Tell
    from ai_memory.embed.pools.crew import Crew, Model
    from ai_memory.embed.pools.ray.cluster import Cluster
    from ai_memory.embed.port import Where


class Workplace(Frozen):
    """So many workers, each on so many `threads` of the `cores` that there are; `ray` is the address of their Ray."""

    many: int
    threads: int
    cores: int
    ray: str = ""
    cluster: Cluster | None = None

    def crew(self, model: Model, awaited: Awaited, tell: Tell) -> Crew:
        """Return the workers, of which none is started yet."""
        if self.cluster:
            return self.cluster.crew(self.many, model, tell)
        from ai_memory.embed.pools.local import processes

        return processes(self.many, model.begin, awaited, tell, at_once=model.at_once, max_batch=model.max_batch)

    def close(self) -> None:
        """Leave the cluster."""
        if self.cluster:
            self.cluster.close()


def workplace(where: Where, cores: int, awaited: Awaited, tell: Tell) -> Workplace:
    """Return where workers work on a machine of so many `cores`: a cluster is joined, our own Ray is not started yet.

    Raises:
        EmbedderInitFailed: Ray is not installed, or there is no such cluster, or nobody has left anything of it.
    """
    if not isinstance(where, str):
        return Workplace(where, max(cores // where, 1), cores)
    from ai_memory.embed.pools.ray.cluster import Cluster, require_cores, require_ray

    require_ray()
    cluster = Cluster(where, cores, awaited, tell)
    if where != LOCAL_RAY:
        cores = require_cores(cluster)
    return Workplace(cores, 1, cores, where, cluster)
