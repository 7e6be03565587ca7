"""How the cluster is: what tests set, and what the health APIs say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tests.emulators.elasticsearch.answers import Refused
from tests.emulators.elasticsearch.cluster import Cluster

Status = Literal["green", "yellow", "red"]


@dataclass(slots=True)
class Health:
    """Settable by tests. `status` None is told from the indices, as one node has it: replicas make it yellow."""

    status: Status | None = None
    timed_out: bool = False
    master: bool = True
    serverless: bool = False
    data_nodes: int = 1
    breaker: bool = False
    """True while the parent circuit breaker refuses every write."""

    def check(self, uri: str, method: str) -> None:
        """Refuse what serverless or a cluster without a master refuses."""
        if self.serverless:
            raise Refused(
                410,
                "api_not_available_exception",
                f"Request for uri [{uri}] with method [{method}] exists but is not available when running in serverless mode",
            )
        if not self.master:
            raise Refused(503, "master_not_discovered_exception", None)

    def now(self, cluster: Cluster) -> Status:
        """The status as it is told."""
        if self.status is not None:
            return self.status
        if any(
            str(index.settings.get("index.number_of_replicas", "1")) not in {"0"} for index in cluster.indices.values()
        ):
            return "yellow" if self.data_nodes == 1 else "green"
        return "green"

    def body(self, cluster: Cluster) -> dict[str, Any]:
        """`_cluster/health`."""
        shards = len(cluster.indices)
        status = self.now(cluster)
        lost = shards if status == "yellow" else 0
        body: dict[str, Any] = {
            "cluster_name": cluster.name,
            "status": status,
            "timed_out": self.timed_out,
            "number_of_nodes": self.data_nodes,
            "number_of_data_nodes": self.data_nodes,
        }
        if not cluster.dialect.elastic:
            body.update({"discovered_master": self.master, "discovered_cluster_manager": self.master})
        body.update(
            {
                "active_primary_shards": 0 if status == "red" else shards,
                "active_shards": 0 if status == "red" else shards,
                "relocating_shards": 0,
                "initializing_shards": 0,
                "unassigned_shards": max(1, shards) if status == "red" else lost,
            }
        )
        if cluster.dialect.modern:
            body["unassigned_primary_shards"] = max(1, shards) if status == "red" else 0
        body.update(
            {
                "delayed_unassigned_shards": 0,
                "number_of_pending_tasks": 0,
                "number_of_in_flight_fetch": 0,
                "task_max_waiting_in_queue_millis": 0,
                "active_shards_percent_as_number": 0.0 if status == "red" else 100.0 * shards / max(1, shards + lost),
            }
        )
        return body

    def report(self, cluster: Cluster) -> dict[str, Any]:
        """`_health_report`, where flood stage shows as a red disk."""
        blocked = sum(index.flag("index.blocks.read_only_allow_delete") for index in cluster.indices.values())
        disk = {
            "status": "red" if blocked else "green",
            "symptom": f"{blocked} index is not allowed to be updated."
            if blocked
            else "The cluster has enough available disk space.",
            "details": {"indices_with_readonly_block": blocked},
        }
        status = "red" if blocked or self.status == "red" else "green"
        return {
            "status": status,
            "cluster_name": cluster.name,
            "indicators": {
                "master_is_stable": {"status": "green", "symptom": "The cluster has a stable master node"},
                "disk": disk,
                "shards_availability": {"status": self.now(cluster)},
            },
        }
