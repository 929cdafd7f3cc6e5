"""deploy/compose.yaml: it is a compose file, only the gateway is reached from outside, and the parts fit together."""

import importlib.util
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.deploy.containerfile import IMAGE, health_check, one
from tests.deploy.shipped import (
    DEPLOY,
    DRAIN_S,
    ROOT,
    key_files,
    loaded,
    seconds,
    settings_are_taken,
    start_rules,
    version,
)

COMPOSE: dict[str, Any] = loaded("compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GATEWAY = SERVICES["rulegate"]
ENV = one(IMAGE, "ENV").pairs


@pytest.mark.skipif(
    importlib.util.find_spec("check_jsonschema") is None,
    reason="THE COMPOSE FILE IS NOT CHECKED against its schema: check-jsonschema is not installed",
)
def test_the_specification_takes_it() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_the_three_that_are_built() -> None:
    """Redis and PostgreSQL stay out until `serve` can use them."""
    assert SERVICES.keys() == {"rulegate", "prometheus", "alertmanager"}


def test_only_the_gateway_is_published_and_only_on_loopback() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"rulegate"}
    inside = ENV["RULEGATE_LISTEN"].rpartition(":")[2]
    assert [port.rpartition(":")[2] for port in GATEWAY["ports"]] == [inside]
    assert all(port.startswith("127.0.0.1:") for port in GATEWAY["ports"])
    assert not any("network_mode" in service for service in SERVICES.values())


def test_networks_keep_them_apart() -> None:
    """Prometheus has no way out, Alertmanager reaches whom it tells but not the callers, and all three meet in one."""
    internal = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    of = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert of["prometheus"] <= internal
    assert of["rulegate"] & of["alertmanager"] & of["prometheus"]
    assert of["rulegate"] & of["alertmanager"] <= internal
    assert set.union(*of.values()) == COMPOSE["networks"].keys()


def test_secrets_are_files_that_git_does_not_take() -> None:
    """U-114: none stands in an environment, and each that a service mounts is one of the files."""
    assert {name for service in SERVICES.values() for name in service.get("secrets", [])} == COMPOSE["secrets"].keys()
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    settings = [name for service in SERVICES.values() for name in service.get("environment", {})]
    assert not [name for name in settings if re.search("KEY|SECRET|TOKEN|URL|PASSWORD", name)]


def test_the_keys_of_the_rules_are_mounted() -> None:
    assert key_files(start_rules()) == {f"/run/secrets/{name}" for name in GATEWAY["secrets"]}


def test_what_alertmanager_reads_is_mounted() -> None:
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()
    wanted = set(re.findall(r"_file: (\S+)", text))
    assert wanted == {f"/run/secrets/{name}" for name in SERVICES["alertmanager"]["secrets"]}


def test_every_mount_is_there_and_is_not_written_to() -> None:
    for service in SERVICES.values():
        for mount in service["volumes"]:
            if mount["type"] == "bind":
                assert (DEPLOY / mount["source"]).exists(), mount
                assert mount["read_only"]
            else:
                assert mount["source"] in COMPOSE["volumes"]


def test_rules_and_data_are_mounted_where_the_gateway_looks() -> None:
    """The whole directory: a file that is replaced is not seen through a mount of its own."""
    targets = {mount["target"]: mount["source"] for mount in GATEWAY["volumes"]}
    assert targets == {ENV["RULEGATE_RULES"]: "./rules.d", ENV["RULEGATE_DATA"]: "data"}


def test_the_gateway_takes_its_settings() -> None:
    assert settings_are_taken(GATEWAY["environment"])


def test_images_have_a_fixed_version_and_ours_is_the_projects() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", image) for image in images.values()), images
    assert images["rulegate"] == f"rulegate:{version()}"
    assert (DEPLOY / GATEWAY["build"]["context"] / GATEWAY["build"]["dockerfile"]).is_file()


def test_each_says_whether_it_is_well() -> None:
    """The gateway as its image does, which builders of OCI images leave out."""
    tests = {name: service["healthcheck"]["test"] for name, service in SERVICES.items()}
    assert all(test[0] == "CMD" for test in tests.values())
    assert tests["rulegate"][1:] == health_check()
    flags = dict(flag.removeprefix("--").replace("-", "_").split("=") for flag in one(IMAGE, "HEALTHCHECK").flags)
    rest = {name: str(value) for name, value in GATEWAY["healthcheck"].items() if name != "test"}
    assert rest == flags
    assert {name for service in SERVICES.values() for name in service.get("depends_on", {})} <= SERVICES.keys()


def test_each_has_no_more_rights_than_it_needs() -> None:
    for service in SERVICES.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.keys() & {"privileged", "cap_add", "user"}


def test_a_stop_waits_for_the_drain() -> None:
    """U-124: requests have their time to end, and rows theirs to be written."""
    assert seconds(GATEWAY["stop_grace_period"]) > DRAIN_S


def test_prometheus_finds_the_others() -> None:
    config = loaded("prometheus/prometheus.yml")
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert jobs["rulegate"] == [f"rulegate:{GATEWAY['environment']['RULEGATE_OPS'].rpartition(':')[2]}"]
    assert jobs["alertmanager"] == config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert jobs["alertmanager"] == ["alertmanager:9093"]
    mounted = {mount["target"] for mount in SERVICES["prometheus"]["volumes"]}
    assert {"/etc/prometheus/prometheus.yml", "/etc/prometheus/rules"} <= mounted
