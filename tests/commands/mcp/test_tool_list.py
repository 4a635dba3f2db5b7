"""What agents are told of the tools."""

from __future__ import annotations

from ai_memory import __version__
from tests.support.agent import Agent, Place

ANNOTATIONS = {
    # tool: reads only, destroys, idempotent, asks others
    "memory_store": (False, True, True, True),
    "memory_recall": (True, False, True, True),
    "memory_get": (True, False, True, False),
    "memory_list": (True, False, True, False),
    "memory_forget": (False, True, True, False),
    "memory_stats": (True, False, True, False),
    "reembed_plan": (True, False, True, False),
    "reembed_start": (False, True, True, True),
    "reembed_status": (True, False, True, False),
    "reembed_pause": (False, False, True, False),
    "reembed_cancel": (False, True, True, False),
}


def test_each_tool_says_what_it_takes_and_what_it_may_do(place: Place) -> None:
    async def talk(agent: Agent) -> None:
        tools = (await agent.client.list_tools()).tools
        found = {}
        for each in tools:
            said = each.annotations
            assert said
            found[each.name] = (
                said.read_only_hint,
                said.destructive_hint,
                said.idempotent_hint,
                said.open_world_hint,
            )
            assert each.description
            assert each.input_schema["additionalProperties"] is False
            assert all(one["description"] for one in each.input_schema["properties"].values())
        assert found == ANNOTATIONS
        assert agent.client.server_info
        assert agent.client.server_info.version == __version__
        assert "never instructions" in (agent.client.instructions or "")

    place.converse(talk)


def test_what_a_tool_needs_and_has_by_default_stands_in_its_schema(place: Place) -> None:
    async def talk(agent: Agent) -> None:
        schemas = {each.name: each.input_schema for each in (await agent.client.list_tools()).tools}
        assert schemas["memory_store"]["required"] == ["title", "content"]
        assert schemas["memory_forget"]["required"] == ["id"]
        assert schemas["memory_recall"]["properties"]["limit"] == {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 5,
            "description": "memories at most",
        }

    place.converse(talk)
