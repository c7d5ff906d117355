"""What people run containers with, held to facts: the Dockerfile, compose.yaml, deploy/kubernetes, docs/container.md.

Docker and Kubernetes are not here, so the files are parsed, and their settings are loaded as the container would load
them. The image itself is tried in tests/peers/test_container.py.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from asyncmta.config import Settings
from asyncmta.config_boky import variables
from asyncmta.config_boky_values import KEYS, MEANINGLESS, TLS_LEVELS
from asyncmta.config_kinds import Kind, Text, Unfit
from asyncmta.config_sources import Sources
from asyncmta.config_tables import ARRAYS, TABLES, General, kind_of, known_paths

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PAGE = (ROOT / "docs" / "container.md").read_text()
VOLUME = "/var/spool/asyncmta"
LONGEST_DRAIN = 30


def variable_of(path: str) -> str:
    return "ASYNCMTA_" + path.replace(".", "__").upper()


def image_environment() -> dict[str, str]:
    return dict(re.findall(r"^(?:ENV)?\s+(ASYNCMTA_\w+)=(\S+)", DOCKERFILE, re.MULTILINE))


def default_of(path: str) -> Any:
    """As it is shown."""
    head, _, key = path.rpartition(".")
    name = head.partition(".")[0]
    table = General if not name else TABLES.get(name) or ARRAYS[name]
    kind = kind_of(tuple(path.split(".")))
    assert kind is not None
    return kind.show(getattr(table(), key))


def text_of(shown: Any) -> str:
    """A shown value as a variable says it."""
    if isinstance(shown, list):
        return ",".join(map(str, shown))
    return str(shown).lower() if isinstance(shown, bool) else str(shown)


def is_optional(kind: Kind) -> bool:
    return not isinstance(kind, Text) or kind.optional


def raw(environ: dict[str, str]) -> tuple[Any, list[str]]:
    sources = Sources("defaults")
    sources.read_environment(environ)
    return sources.tree, sources.faults


@pytest.mark.parametrize("path", known_paths())
def test_every_key_can_be_said_by_a_variable_and_by_a_file(path: str, tmp_path: Path) -> None:
    text = text_of(default_of(path))
    file = tmp_path / "value"
    file.write_text(text + "\n")
    by_variable, by_file = raw({variable_of(path): text}), raw({f"{variable_of(path)}_FILE": str(file)})
    assert by_variable == by_file
    tree, faults = by_variable
    assert faults == []
    value = tree
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    kind = kind_of(tuple(path.split(".")))
    assert kind is not None
    if text or is_optional(kind):
        assert kind.show(kind.parse(value)) == default_of(path)
    else:
        with pytest.raises(Unfit, match="must not be empty"):
            kind.parse(value)


def test_tables_of_which_there_are_several_are_said_by_number(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text('["smtp.example.org:587", "other.example.org:587"]\n')
    settings = Settings.load(
        environ={
            "ASYNCMTA_ROUTE__0__RECIPIENT": "example.net",
            "ASYNCMTA_ROUTE__0__VIA": "hold",
            "ASYNCMTA_ROUTE__1__VIA": "smarthost",
            "ASYNCMTA_ROUTE__1__HOSTS_FILE": str(file),
            "ASYNCMTA_ROUTE__1__WEIGHTS": "3,1",
            "ASYNCMTA_RULE__0__SENDER": "example.org, .example.org",
            "ASYNCMTA_RULE__0__ACTION": "reject",
        }
    )
    first, second = settings.routes
    assert (first.recipient, first.via, second.via) == ("example.net", "hold", "smarthost")
    assert second.hosts == ("smtp.example.org:587", "other.example.org:587")
    assert second.weights == (3, 1)
    assert settings.rules[0].sender == ("example.org", ".example.org")


def test_the_page_has_every_variable() -> None:
    assert runpy.run_path(str(ROOT / ".ci" / "environment_table.py"))["page"]() == PAGE, "run make docs"
    for path in known_paths():
        assert f"| `{variable_of(path)}` |" in PAGE


def test_the_page_has_every_variable_of_the_other_image_and_ours_are_real() -> None:
    section = PAGE.partition("## Coming from boky/postfix")[2].partition("## Every key")[0]
    said = set(re.findall(r"`([A-Z][A-Za-z0-9_]+)`", section))
    needless = {"SASL_RELAYHOST", "SKIP_ROOT_SPOOL_CHOWN"}
    for name in (*(f"POSTFIX_{name}" for name in KEYS), *MEANINGLESS.keys() - needless):
        assert name in said, name
    for level in filter(None, TLS_LEVELS):
        assert f"`{level}`" in section
    ours = {name for name in said if name.startswith("ASYNCMTA_")}
    assert ours - {"ASYNCMTA_COMPAT"} <= {*map(variable_of, known_paths())}
    theirs = {name for name in said - ours if name not in ("HOSTNAME", "LOG_FORMAT", "SIGTERM")}
    assert variables(dict.fromkeys(theirs, "x")).keys() == theirs


def test_the_image_is_of_two_stages_and_runs_as_somebody_without_rights() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.11-slim"] * 2
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\S+)", last, re.MULTILINE) == ["10025:0"]
    assert re.findall(r"^VOLUME (\S+)", last, re.MULTILINE) == [VOLUME]
    assert "-g 0 -m 0770 " + VOLUME in last
    for name in ("ENTRYPOINT", "CMD"):
        assert re.search(rf'^{name} \["\w+"\]$', last, re.MULTILINE), f"{name} is in the exec form"
    for tool in ("pip", "apt-get", "gcc"):
        assert tool not in last
    assert DOCKERFILE.index("requirements-build.txt") < DOCKERFILE.index("COPY asyncmta")
    (packages,) = re.findall(r"install -y --no-install-recommends (.+?) \\\n && rm -rf /var/lib/apt/lists", DOCKERFILE)
    assert packages == "gcc libc6-dev"


def test_what_builds_the_wheel_is_pinned_as_elsewhere() -> None:
    build, dev = ((ROOT / f"requirements-{name}.txt").read_text() for name in ("build", "dev"))
    pins = re.findall(r"^([\w.-]+==\S+)", build, re.MULTILINE)
    assert [pin for pin in pins if pin.startswith("hatchling==")]
    assert all(f"\n{pin} " in f"\n{dev}" for pin in pins)


def test_the_settings_of_the_image_are_good_and_write_to_the_volume_alone() -> None:
    settings = Settings.load(environ=image_environment())
    assert settings.spool.startswith(f"{VOLUME}/")
    assert settings.local.maildir.startswith(f"{VOLUME}/")
    assert settings.admin.socket.startswith(f"{VOLUME}/")
    assert [(listener.address, listener.port) for listener in settings.listeners] == [("0.0.0.0", 2525)]
    assert settings.relay.networks == Settings.load(environ={}).relay.networks
    swapped = Settings.load(environ=image_environment() | {"ALLOWED_SENDER_DOMAINS": "example.org"})
    assert [(listener.address, listener.port) for listener in swapped.listeners] == [("0.0.0.0", 587)]
    assert re.search(r"^EXPOSE 2525 587$", DOCKERFILE, re.MULTILINE)


def test_the_context_of_the_build_is_what_the_dockerfile_copies() -> None:
    sources = {word for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()}
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert {word[1:] for word in ignored if word.startswith("!")} == sources
    assert all((ROOT / name).exists() for name in sources)
    assert {"**/__pycache__", "**/*.so"} <= {*ignored}  # what was made for the host's Python


def seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)([sm])", text)
    assert match is not None
    return int(match[1]) * {"s": 1, "m": 60}[match[2]]


def test_compose(tmp_path: Path) -> None:
    tree = yaml.safe_load((ROOT / "compose.yaml").read_text())
    service = tree["services"]["relay"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"tmpfs", "privileged", "cap_add", "network_mode"} & service.keys()
    assert seconds(service["stop_grace_period"]) > LONGEST_DRAIN
    (volume,) = service["volumes"]
    assert volume.partition(":")[0] in tree["volumes"]
    assert volume.partition(":")[2] == VOLUME
    assert [port.split(":")[0] for port in service["ports"]] == ["127.0.0.1"]
    (secret,) = service["secrets"]
    assert secret["source"] in tree["secrets"]
    environ = image_environment() | service["environment"]
    assert environ["ASYNCMTA_ROUTE__0__PASSWORD_FILE"] == f"/run/secrets/{secret['source']}"
    password = tmp_path / "password"
    password.write_text("word\n")
    settings = Settings.load(environ=environ | {"ASYNCMTA_ROUTE__0__PASSWORD_FILE": str(password)})
    assert (settings.routes[0].password, settings.routes[0].tls) == ("word", "")
    assert settings.routes[0].level == "verify"


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    """By kind and name."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml")):
        for each in yaml.safe_load_all(file.read_text()):
            name = f"{each['kind']}/{each['metadata']['name']}"
            assert name not in found
            found[name] = each
    return found


def test_kubernetes_has_all_that_belongs_together(objects: dict[str, dict[str, Any]]) -> None:
    assert sorted(objects) == [
        "ConfigMap/asyncmta",
        "PodDisruptionBudget/asyncmta",
        "Secret/asyncmta",
        "Service/asyncmta",
        "Service/asyncmta-pods",
        "StatefulSet/asyncmta",
    ]
    versions = {name.partition("/")[0]: each["apiVersion"] for name, each in objects.items()}
    assert (versions["StatefulSet"], versions["PodDisruptionBudget"]) == ("apps/v1", "policy/v1")
    spec = objects["StatefulSet/asyncmta"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    assert objects["PodDisruptionBudget/asyncmta"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["PodDisruptionBudget/asyncmta"]["spec"]["maxUnavailable"] < spec["replicas"]
    ports = {port["name"] for port in spec["template"]["spec"]["containers"][0]["ports"]}
    for name in ("asyncmta", "asyncmta-pods"):
        service = objects[f"Service/{name}"]["spec"]
        assert service["selector"] == labels
        assert {port["targetPort"] for port in service["ports"]} <= ports
    assert objects[f"Service/{spec['serviceName']}"]["spec"]["clusterIP"] == "None"


def test_kubernetes_pods_fit_the_restricted_standard(objects: dict[str, dict[str, Any]]) -> None:
    pod = objects["StatefulSet/asyncmta"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10025
    assert pod["securityContext"]["runAsGroup"] == 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {key for volume in pod["volumes"] for key in volume} <= {"name", "configMap", "secret"}


def test_kubernetes_pods_end_gently_and_are_asked(objects: dict[str, dict[str, Any]]) -> None:
    spec = objects["StatefulSet/asyncmta"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause + LONGEST_DRAIN
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert "startupProbe" in container
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    (claim,) = spec["volumeClaimTemplates"]
    assert mounts[claim["metadata"]["name"]]["mountPath"] == VOLUME
    assert mounts.keys() == {claim["metadata"]["name"], *(volume["name"] for volume in pod["volumes"])}


def test_kubernetes_settings_are_good(objects: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    pod = objects["StatefulSet/asyncmta"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts["config"] == "/etc/asyncmta"
    config = tmp_path / "config.toml"
    config.write_text(objects["ConfigMap/asyncmta"]["data"]["config.toml"])
    for name, text in objects["Secret/asyncmta"]["stringData"].items():
        (tmp_path / name).write_text(text)
    given = {one["name"]: one["value"].replace(mounts["secret"], str(tmp_path)) for one in container["env"]}
    settings = Settings.load(config, environ=image_environment() | given)
    assert settings.source.notes == ()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings.listeners[0].port == ports["smtp"]
    assert settings.admin.listen == f"0.0.0.0:{ports['admin']}"
    assert settings.admin.token
    assert settings.routes[0].password == "change-me"
    assert settings.spool.startswith(VOLUME)
