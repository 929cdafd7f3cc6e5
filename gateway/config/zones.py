"""Time zones by their names in rule files."""

from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from gateway.config.node import Findings, Node


def zone_of(node: Node | None, findings: Findings) -> ZoneInfo:
    """Give the zone that is named, UTC where none is."""
    if node is None:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(node.value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(node.value, available_timezones(), n=1)
        hint = f"did you mean '{near[0]}'?" if near else "names are those of the IANA database, such as Europe/Berlin"
        findings.add(node.problem(f"there is no time zone '{node.value}'", hint))
        return ZoneInfo("UTC")
