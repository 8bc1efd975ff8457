"""The deployment files say what the product does: names, ports, times, privileges."""

import re
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from brokergw.app.settings import Settings, split_address
from tests.architecture.deployment import (
    Document,
    documents,
    pod_of,
    privileges,
    probe_faults,
    seconds_to_stop,
    unknown_settings,
)
from tests.architecture.sources import ROOT

KUBERNETES = documents(*sorted((ROOT / "deploy/kubernetes").glob("*.yaml")))
COMPOSE = documents(ROOT / "deploy/compose.yaml")[0]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")

GOOD_POD: dict[str, Any] = {
    "automountServiceAccountToken": False,
    "terminationGracePeriodSeconds": 45,
    "securityContext": {"runAsNonRoot": True},
    "containers": [
        {
            "name": "gateway",
            "securityContext": {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            "startupProbe": {"grpc": {"port": 1}},
            "readinessProbe": {"grpc": {"port": 1}},
            "livenessProbe": {"grpc": {"port": 1}},
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        }
    ],
}


def the(kind: str, name: str = "") -> Document:
    """Give the one document of a kind, or of a kind and a name."""
    found = [document for document in KUBERNETES if document["kind"] == kind]
    (one,) = [document for document in found if name in {"", document["metadata"]["name"]}]
    return one


CONFIG = the("ConfigMap")["data"]
PODS = [pod_of(the("Deployment")), pod_of(the("Job"))]
GATEWAY = PODS[0]["containers"][0]


def test_every_variable_is_a_setting() -> None:
    """No file sets a variable that the gateway does not read."""
    dockerfile = dict.fromkeys(re.findall(r"(BROKERGW_\w+)=", DOCKERFILE), "")
    assert unknown_settings([*KUBERNETES, COMPOSE, dockerfile]) == []


def test_the_config_map_makes_valid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Kubernetes would hand to the gateway, the gateway takes."""
    for name, value in CONFIG.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.allow_plaintext
    assert not settings.upgrades_itself
    assert settings.drain_grace_s == int(CONFIG["BROKERGW_DRAIN_GRACE_S"])


def test_probes_and_ports_agree_with_the_listen_address() -> None:
    """All three probes are gRPC probes at the server's port, and the service leads there."""
    ports = {
        "grpc": split_address(CONFIG["BROKERGW_LISTEN"])[1],
        "metrics": split_address(CONFIG["BROKERGW_METRICS_LISTEN"])[1],
    }
    assert probe_faults(GATEWAY, ports["grpc"]) == []
    assert {port["name"]: port["containerPort"] for port in GATEWAY["ports"]} == ports
    assert {port["targetPort"]: port["port"] for port in the("Service")["spec"]["ports"]} == ports
    assert f"EXPOSE {ports['grpc']} {ports['metrics']}" in DOCKERFILE


@pytest.mark.parametrize("pod", PODS, ids=["gateway", "upgrade"])
def test_pods_have_no_needless_privilege(pod: Document) -> None:
    """Not root, read-only, no capabilities, no way to gain any, no token."""
    assert privileges(pod) == []


def test_a_drain_is_never_cut_short() -> None:
    """Kubernetes and compose both wait longer than the gateway's own grace."""
    grace_s = int(CONFIG["BROKERGW_DRAIN_GRACE_S"])
    assert grace_s == Settings.model_fields["drain_grace_s"].default
    assert seconds_to_stop(PODS[0]) > grace_s
    assert int(COMPOSE["services"]["gateway"]["stop_grace_period"].removesuffix("s")) > grace_s


def test_every_selector_finds_the_gateway_and_not_the_job() -> None:
    """Service, deployment and disruption budget mean the same pods."""
    labels = the("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert the("Service")["spec"]["selector"] == labels
    assert the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert the("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert the("Job")["spec"]["template"]["metadata"]["labels"] != labels


def test_a_rollout_and_a_disruption_leave_processes_to_take_over() -> None:
    """Several replicas, none missing in a rollout, one at a time in a disruption, and time to take their share."""
    spec = the("Deployment")["spec"]
    assert spec["replicas"] >= 3
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert the("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    # A newcomer is given its first share after ten seconds of the same processes.
    assert spec["minReadySeconds"] > 10
    assert the("Secret", "brokergw")["stringData"]["BROKERGW_DATABASE_URL"].startswith("postgresql://")


def test_pods_and_image_have_the_same_user_and_writable_places() -> None:
    """The image's user is the pods' user, and its volume is mounted wherever the root is read-only."""
    assert "USER 10001:10001" in DOCKERFILE
    assert "VOLUME /var/lib/brokergw" in DOCKERFILE
    for pod in PODS:
        assert pod["securityContext"]["runAsUser"] == 10001
        mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert CONFIG["BROKERGW_DATA_DIR"] in mounts


def test_no_secret_stands_in_a_file() -> None:
    """Compose takes its secrets from the environment and says so when they are missing; the templates hold none."""
    shared = COMPOSE["x-gateway"]["environment"]
    for name in ("PGPASSWORD", "BROKERGW_SIGNING_KEY", "CREDENTIALS_ENCRYPTION_KEY"):
        assert re.fullmatch(r"\$\{\w+:\?.+\}", shared[name])
    example = (ROOT / "deploy/env.example").read_text("utf-8").splitlines()
    assert all(line.startswith("#") or line.endswith("=") for line in example)
    keys = the("Secret", "brokergw")["stringData"]
    assert keys["BROKERGW_SIGNING_KEY"] == keys["CREDENTIALS_ENCRYPTION_KEY"] == "REPLACE"


def test_only_the_upgrade_is_told_the_owner() -> None:
    """Who serves is another role than the tables' owner, and is never told the owner's URL or password."""
    owner = "BROKERGW_DATABASE_OWNER_URL"
    secrets = [{each.get("secretRef", {}).get("name") for each in pod["containers"][0]["envFrom"]} for pod in PODS]
    assert ["brokergw-owner" in names for names in secrets] == [False, True]
    assert owner not in the("Secret", "brokergw")["stringData"]
    urls = [the("Secret", name)["stringData"][key] for name, key in _URLS]
    assert make_url(urls[0]).username != make_url(urls[1]).username
    assert owner not in COMPOSE["x-gateway"]["environment"]
    assert owner not in COMPOSE["services"]["gateway"]["environment"]
    told = COMPOSE["services"]["upgrade"]["environment"]
    assert make_url(told[owner]).username != make_url(told["BROKERGW_DATABASE_URL"]).username
    assert "POSTGRES_PASSWORD" not in str(COMPOSE["services"]["gateway"])


_URLS = (("brokergw", "BROKERGW_DATABASE_URL"), ("brokergw-owner", "BROKERGW_DATABASE_OWNER_URL"))


def test_containers_ask_the_gateway_itself_for_its_health() -> None:
    """Image and compose run the same probe."""
    check = COMPOSE["services"]["gateway"]["healthcheck"]["test"]
    assert check == ["CMD", "python", "-m", "brokergw.app.probe"]
    assert 'CMD ["python", "-m", "brokergw.app.probe"]' in DOCKERFILE


def test_a_misspelt_setting_is_found() -> None:
    """The check of names can fail, deep inside a document too."""
    assert unknown_settings([{"data": {"BROKERGW_LISTN": "x", "BROKERGW_LISTEN": "y"}}]) == ["BROKERGW_LISTN"]


def test_a_pod_with_privileges_a_wrong_probe_or_no_time_is_found() -> None:
    """The checks of pods can fail, and leave a sound pod alone."""
    container = GOOD_POD["containers"][0]
    assert privileges(GOOD_POD) == []
    assert probe_faults(container, 1) == []
    assert seconds_to_stop(GOOD_POD) == 40

    bare = {"name": "gateway", "readinessProbe": {"httpGet": {"port": 1}}, "livenessProbe": {"grpc": {"port": 2}}}
    assert len(privileges({"containers": [bare]})) == 5
    assert probe_faults(bare, 1) == ["startupProbe", "readinessProbe", "livenessProbe"]
