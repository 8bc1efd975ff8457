"""The deployment files, read and held against the settings and against each other."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import AliasChoices

from brokergw.app.settings import Settings

Document = Mapping[str, Any]

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
PASSED_THROUGH = frozenset({"PGPASSWORD", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_USER"})
"""Variables that PostgreSQL reads, not the gateway."""


def documents(*files: Path) -> list[Document]:
    """Read every YAML document of some files."""
    return [document for file in files for document in yaml.safe_load_all(file.read_text("utf-8"))]


def setting_names() -> frozenset[str]:
    """Give the name of every setting as the environment has it."""
    return frozenset(name for names in map(_names_of, Settings.model_fields) for name in names)


def _names_of(field: str) -> Iterator[str]:
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        yield from (choice for choice in alias.choices if isinstance(choice, str) and choice.isupper())
    else:
        yield f"BROKERGW_{field}".upper()


def unknown_settings(found: Document | list[Document]) -> list[str]:
    """Name every variable that is set somewhere in the documents and that no setting reads."""
    return sorted(set(_variables(found)) - setting_names() - PASSED_THROUGH)


def _variables(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", str(key)):
                yield str(key)
            yield from _variables(value)
    elif isinstance(node, list):
        for item in node:
            yield from _variables(item)


def pod_of(document: Document) -> Document:
    """Give the pod that a deployment or a job makes."""
    pod: Document = document["spec"]["template"]["spec"]
    return pod


def privileges(pod: Document) -> list[str]:
    """Name everything that a pod's containers may do and need not."""
    findings = []
    if pod.get("automountServiceAccountToken") is not False:
        findings.append("has a service account token")
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        findings.append("may run as root")
    for container in pod["containers"]:
        context = container.get("securityContext", {})
        if not context.get("readOnlyRootFilesystem"):
            findings.append(f"{container['name']} may write to its root")
        if context.get("allowPrivilegeEscalation") is not False:
            findings.append(f"{container['name']} may gain privileges")
        if context.get("capabilities", {}).get("drop") != ["ALL"]:
            findings.append(f"{container['name']} keeps capabilities")
    return findings


def probe_faults(container: Document, grpc_port: int) -> list[str]:
    """Name every probe that is missing, is not a gRPC probe, or asks at another port than the server's."""
    return [name for name in PROBES if container.get(name, {}).get("grpc", {}).get("port") != grpc_port]


def seconds_to_stop(pod: Document) -> int:
    """Give how long a pod has between SIGTERM and being killed."""
    pause = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    return int(pod["terminationGracePeriodSeconds"]) - int(pause)
