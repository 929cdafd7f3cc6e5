"""deploy/kubernetes: the schemas take them, the parts name each other rightly, and the rules are followed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.snapshot import RuleFile
from tests.deploy.containerfile import IMAGE, one
from tests.deploy.shipped import DEPLOY, DRAIN_S, key_files, loaded, settings_are_taken, start_rules, version
from tests.fakes.daemon import daemon

FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
PARTS: Mapping[str, Any] = {path.stem: loaded(f"kubernetes/{path.name}") for path in FILES}
POD: dict[str, Any] = PARTS["deployment"]["spec"]["template"]["spec"]
LABELS: dict[str, str] = PARTS["deployment"]["spec"]["template"]["metadata"]["labels"]
(CONTAINER,) = POD["containers"]
MOUNTS: dict[str, dict[str, Any]] = {mount["name"]: mount for mount in CONTAINER["volumeMounts"]}
VOLUMES: dict[str, dict[str, Any]] = {volume["name"]: volume for volume in POD["volumes"]}
SETTINGS: dict[str, str] = {each["name"]: each["value"] for each in CONTAINER["env"]}
PORTS: dict[str, int] = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
ENV = one(IMAGE, "ENV").pairs


@pytest.mark.parametrize("name", PARTS)
def test_the_oldest_and_the_newest_known_kubernetes_take_it(name: str) -> None:
    """Strictly: a field that the schema does not have is a mistake, not an extra."""
    validator = pytest.importorskip(
        "kubernetes_validate", reason="MANIFESTS ARE NOT CHECKED against schemas: kubernetes-validate is not installed"
    )
    known = validator.utils.all_versions()
    for release in (known[0], known[-1]):
        validator.validate(PARTS[name], release, strict=True)


def test_the_config_map_holds_the_rules_of_deploy() -> None:
    """`kubectl create configmap rulegate-rules --from-file=deploy/rules.d` gives the same data."""
    data = PARTS["configmap"]["data"]
    assert {name: text.encode() for name, text in data.items()} == {file.name: file.data for file in start_rules()}


async def test_a_changed_config_map_is_followed(tmp_path: Path) -> None:
    """U-85: laid out as the kubelet does, and swapped as it does."""
    rules = tmp_path / "rules.d"
    for folder, chain in (("..2026_11_25_08_00_00.1", "[mini, haiku]"), ("..2026_11_25_08_01_00.2", "[mini, sonnet]")):
        (rules / folder).mkdir(parents=True)
        for name, text in PARTS["configmap"]["data"].items():
            (rules / folder / name).write_text(text.replace("cheap: [mini, haiku]", f"cheap: {chain}"))
    (rules / "..data").symlink_to("..2026_11_25_08_00_00.1")
    for name in PARTS["configmap"]["data"]:
        (rules / name).symlink_to(f"..data/{name}")
    async with daemon(tmp_path, {}) as running:
        (rules / "..data_tmp").symlink_to("..2026_11_25_08_01_00.2")
        (rules / "..data_tmp").replace(rules / "..data")
        status = await running.generation(1)
    assert status["rejected"] is None


def test_the_rules_are_mounted_whole() -> None:
    """U-85: the kubelet never swaps a subPath."""
    assert MOUNTS["rules"] == {"name": "rules", "mountPath": ENV["RULEGATE_RULES"], "readOnly": True}
    assert VOLUMES["rules"]["configMap"] == {"name": PARTS["configmap"]["metadata"]["name"]}
    assert not any("subPath" in mount for mount in MOUNTS.values())


def test_the_keys_are_mounted_where_the_rules_look() -> None:
    """And the command that makes the Secret names each of them."""
    files = tuple(RuleFile(name, text.encode()) for name, text in PARTS["configmap"]["data"].items())
    wanted = {Path(path) for path in key_files(files)}
    assert {str(path.parent) for path in wanted} == {MOUNTS["keys"]["mountPath"]}
    text = (DEPLOY / "kubernetes" / "deployment.yaml").read_text()
    name = VOLUMES["keys"]["secret"]["secretName"]
    (command,) = (line for line in text.splitlines() if "kubectl create secret" in line)
    assert f"generic {name} " in command
    assert all(f"--from-file={path.name}" in command for path in wanted)


def test_one_pod_holds_the_data() -> None:
    """U-78: the old one ends before the new one starts, or that would be refused."""
    spec = PARTS["deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert MOUNTS["data"]["mountPath"] == ENV["RULEGATE_DATA"]
    claim = VOLUMES["data"]["persistentVolumeClaim"]["claimName"]
    assert claim == PARTS["persistentvolumeclaim"]["metadata"]["name"]


def test_probes_ask_the_daemon_alone() -> None:
    """U-123: on the port of operations, where no request to a provider can come of them."""
    probes = {name: CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["port"] for name, probe in probes.items()} == dict.fromkeys(probes, "ops")
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/readyz",
    }


def test_ports_are_those_that_the_gateway_listens_on() -> None:
    listens = {"http": ENV["RULEGATE_LISTEN"], "ops": SETTINGS["RULEGATE_OPS"]}
    assert {name: int(address.rpartition(":")[2]) for name, address in listens.items()} == PORTS
    assert {port["targetPort"] for port in PARTS["service"]["spec"]["ports"]} == {"http"}
    allowed = {port["port"] for rule in PARTS["networkpolicy"]["spec"]["ingress"] for port in rule["ports"]}
    assert allowed == PORTS.keys()
    assert settings_are_taken(SETTINGS)


def test_a_stop_waits_for_the_drain() -> None:
    """U-124: SIGKILL comes after requests had their time and rows were written."""
    assert POD["terminationGracePeriodSeconds"] > DRAIN_S


def test_all_select_the_pod() -> None:
    monitor = loaded("kubernetes/optional/podmonitor.yaml")
    selectors = [
        PARTS["deployment"]["spec"]["selector"]["matchLabels"],
        PARTS["service"]["spec"]["selector"],
        PARTS["networkpolicy"]["spec"]["podSelector"]["matchLabels"],
        monitor["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= LABELS.items() for selector in selectors)
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= PORTS.keys()
    assert LABELS[monitor["spec"]["jobLabel"]] == "rulegate", "the job that the alerts go by"


def test_the_pod_keeps_to_the_restricted_standard() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a root that is read only."""
    pod, container = POD["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"]
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"]
    user, _, group = one(IMAGE, "USER").text.partition(":")
    assert (pod["runAsUser"], pod["runAsGroup"]) == (int(user), int(group))
    assert {next(key for key in volume if key != "name") for volume in POD["volumes"]} <= {
        "configMap",
        "secret",
        "persistentVolumeClaim",
        "emptyDir",
    }
    assert POD["automountServiceAccountToken"] is False


def test_a_service_of_the_cluster_sets_no_option() -> None:
    """A service named rulegate-ops would set RULEGATE_OPS_PORT and its like."""
    assert POD["enableServiceLinks"] is False


def test_the_image_is_the_projects() -> None:
    assert CONTAINER["image"] == f"rulegate:{version()}"
    assert CONTAINER["resources"]["limits"]["memory"]
