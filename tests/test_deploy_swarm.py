"""Checks deploy/swarm with a strict reader of the Compose specification, with nginx and with ours.

Where Docker's client is found, it reads the stack as `docker stack deploy` does.
What Swarm does with a stack comes from the sources of docker/cli: cli/compose/types/types.go lists
the keys that `docker stack deploy` ignores or refuses.
"""

import json
import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from mirror import config
from mirror.addresses import UnixAddress
from mirror.admin.token_file import read_token
from mirror.errors import ConfigError
from mirror.preflight.nginx.linter import lint
from mirror.process.memory_ceiling import memory_ceiling_bytes
from tests.mirror.preflight.nginx.configurations import faults
from tests.shipped_nginx import whole
from tests.test_deploy import nginx_accepts

SWARM = Path(__file__).parents[1] / "deploy/swarm"
TEXT = (SWARM / "stack.yaml").read_text()
# Swarm fills in this template when it makes a task; the reader of the specification knows none.
STACK: dict[str, Any] = yaml.safe_load(TEXT.replace("{{.Node.Hostname}}", "node-1"))
NGINX, MIRROR = STACK["services"]["nginx"], STACK["services"]["mirror"]

# UnsupportedProperties, DeprecatedProperties and ForbiddenProperties, and `depends_on` and `tmpfs`,
# which have no effect on a service of a swarm.
WITHOUT_EFFECT = {
    *("build", "cgroupns_mode", "cgroup_parent", "devices", "domainname", "external_links", "ipc"),
    *("links", "mac_address", "network_mode", "pid", "privileged", "restart", "security_opt"),
    *("shm_size", "userns_mode", "container_name", "expose", "extends", "volume_driver"),
    *("volumes_from", "cpu_quota", "cpu_shares", "cpuset", "mem_limit", "memswap_limit"),
    *("depends_on", "tmpfs"),
}


def test_stack_is_valid() -> None:
    # The reader lacks two parts of the specification: the action `rollback` of a failed update
    # (deploy.md), and the `name` of a config that is a file (08-configs.md).
    stack = json.loads(json.dumps(STACK).replace('"rollback"', '"pause"'))
    stack["configs"] = {key: {"file": entry["file"]} for key, entry in STACK["configs"].items()}
    read = PyCompose.from_json(json.dumps(stack))
    assert set(read.service_names()) == {"nginx", "mirror"}


def test_docker_reads_the_stack() -> None:
    docker = shutil.which("docker")
    command = [docker or "docker", "stack", "config", "--compose-file"]
    if (
        docker is None
        or subprocess.run([*command[:3], "--help"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no docker with `stack config` here")
    done = subprocess.run(
        [*command, SWARM / "stack.yaml"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "STACK_VERSION": "2"},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert "gnoring" not in done.stderr, done.stderr
    read = yaml.safe_load(done.stdout)
    assert {name: set(service) for name, service in read["services"].items()} == {
        name: set(service) for name, service in STACK["services"].items()
    }
    assert read["services"]["mirror"]["hostname"] == "{{.Node.Hostname}}"
    assert {entry["name"] for entry in read["configs"].values()} == {
        f"site-{name}-2" for name in STACK["configs"]
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"deploy": {"update_config": {"order": "any"}}},
        {"ulimits": "many"},
        {"configs": [{"from": "mirror"}]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_referee_sees_a_wrong_stack(wrong: dict[str, Any]) -> None:
    # Guards the test above: a referee that never objects proves nothing.
    services = {"mirror": {"image": "kagami"} | wrong}
    with pytest.raises(ValueError):
        PyCompose.from_json(json.dumps({"services": services}))


def test_swarm_uses_every_key() -> None:
    for service in STACK["services"].values():
        assert not set(service) & WITHOUT_EFFECT


def test_one_task_of_each_shares_the_socket_of_a_node() -> None:
    for service in (NGINX, MIRROR):
        assert service["deploy"]["mode"] == "global"
        (socket,) = (volume for volume in service["volumes"] if volume.get("source") == "socket")
        # With a copy of the image's directory the owner would depend on who starts first.
        assert socket["target"] == "/run/mirror" and socket["volume"] == {"nocopy": True}
    assert NGINX["deploy"]["placement"] == MIRROR["deploy"]["placement"]
    assert STACK["volumes"]["socket"]["driver"] == "local"
    options = STACK["volumes"]["socket"]["driver_opts"]
    uid = re.search(r"useradd --uid (\d+)", (SWARM.parents[1] / "Dockerfile").read_text())
    assert uid and f"uid={uid[1]},gid={uid[1]},mode=0755" in options["o"]
    (listen,) = config.load(SWARM / "mirror.yaml").listen
    assert isinstance(listen, UnixAddress) and listen.mode == "0666"
    assert Path(listen.path).parent == Path("/run/mirror")


def test_metrics_of_a_node_keep_their_name() -> None:
    assert 'hostname: "{{.Node.Hostname}}"' in TEXT
    assert config.load(SWARM / "mirror.yaml").datadog.instance is None


def test_sidecar_restarts_for_ever_and_one_at_a_time() -> None:
    deploy = MIRROR["deploy"]
    assert deploy["restart_policy"] == {"condition": "any", "delay": "15s"}
    for part in ("update_config", "rollback_config"):
        assert deploy[part]["order"] == "stop-first", "the lock of the socket has one owner"
    assert deploy["update_config"]["failure_action"] == "rollback"
    assert "failure_action" not in deploy["rollback_config"]
    # Long enough to see a task that never becomes healthy.
    check = MIRROR["healthcheck"]
    seconds = {key: int(check[key].rstrip("s")) for key in ("interval", "start_period")}
    unhealthy_s = seconds["start_period"] + check["retries"] * seconds["interval"]
    assert int(deploy["update_config"]["monitor"].rstrip("s")) >= unhealthy_s
    loaded = config.load(SWARM / "mirror.yaml")
    assert int(MIRROR["stop_grace_period"].rstrip("s")) > loaded.timeouts.drain
    limit = deploy["resources"]["limits"]["memory"]
    assert int(limit.rstrip("G")) << 30 > 2 * memory_ceiling_bytes(loaded)


def test_configs_are_files_with_a_version() -> None:
    used = [item["source"] for service in (NGINX, MIRROR) for item in service["configs"]]
    assert set(used) == set(STACK["configs"])
    for entry in STACK["configs"].values():
        assert (SWARM / entry["file"]).is_file()
        assert entry["name"].endswith("-${STACK_VERSION:-1}")


def nginx_of_a_task(folder: Path) -> Path:
    """Lay the configs where a task has them; return the main file, as the image's includes them."""
    for item in NGINX["configs"]:
        path = folder / Path(item["target"]).relative_to("/etc/nginx")
        path.parent.mkdir(exist_ok=True)
        path.write_text((SWARM / STACK["configs"][item["source"]]["file"]).read_text())
    main = folder / "nginx.conf"
    main.write_text("events {} http { include conf.d/*.conf; }")
    return main


def section() -> str:
    page = (SWARM.parents[1] / "docs/deploying.md").read_text()
    return page.partition("\n## Swarm\n")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of the page's section on Swarm."""
    found = re.findall(rf"(?ms)^ *```{language}\n(.*?)^ *```", section())
    return [textwrap.dedent(text) for text in found]


def test_version_of_the_stack_follows_from_every_file() -> None:
    (line,) = re.findall(r"(?m)^export STACK_VERSION=\$\((.*)\)$", section())
    patterns = line.partition("cat ")[2].partition(" |")[0].split()
    root = SWARM.parents[1]
    named = {path.resolve() for pattern in patterns for path in root.glob(pattern)}
    assert {(SWARM / entry["file"]).resolve() for entry in STACK["configs"].values()} <= named
    command = ["bash", "-euo", "pipefail", "-c", line]
    version = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"[0-9a-f]{8}\n", version)
    # Swarm refuses a longer name.
    longest = max(len(entry["name"]) for entry in STACK["configs"].values())
    assert longest - len("${STACK_VERSION:-1}") + 8 <= 64


def test_brake_reaches_the_other_nodes_where_one_fails(tmp_path: Path) -> None:
    (loop,) = re.findall(r"(?ms)^docker node ls .*?^done$", section())
    programs = {
        "docker": "printf 'web-1\\nweb-2\\nweb-3\\n'",
        # ssh reads what is meant for the loop, unless it is told not to.
        "ssh": '[ "$1" = -n ] || cat > /dev/null; echo "$2 $3" >> asked; [ "$2" != web-2 ]',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", loop],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["web-1", "web-2", "web-3"]
    assert all(line.endswith("mirror set ratio 0") for line in asked)
    assert done.stdout == "web-2: still sends copies\n"


def test_own_nginx_of_the_page_has_what_the_lines_include(tmp_path: Path) -> None:
    added = yaml.safe_load(blocks("yaml")[0])["services"]["nginx"]
    assert added["volumes"] == NGINX["volumes"]
    assert (
        added["deploy"]["placement"]["constraints"] == MIRROR["deploy"]["placement"]["constraints"]
    )
    shop = {"image": "nginx:1.30", **added}
    stack = {"services": {"shop": shop, "mirror": MIRROR}, "volumes": STACK["volumes"]}
    stack = json.loads(json.dumps(stack).replace('"rollback"', '"pause"'))
    stack["configs"] = {key: {"file": entry["file"]} for key, entry in STACK["configs"].items()}
    assert set(PyCompose.from_json(json.dumps(stack)).service_names()) == {"shop", "mirror"}
    folder = tmp_path / "mirror"
    folder.mkdir()
    for item in added["configs"]:
        assert Path(item["target"]).parent == Path("/etc/nginx/mirror")
        file = SWARM / STACK["configs"][item["source"]]["file"]
        (folder / Path(item["target"]).name).write_text(file.read_text())
    page = (SWARM.parents[1] / "docs/configuration.md").read_text()
    _, lines, *_ = re.findall(r"(?ms)^```nginx\n(.*?)^```", page)
    main = tmp_path / "nginx.conf"
    main.write_text(f"events {{}} {lines}")
    found = lint(str(main), config.load(SWARM / "mirror.yaml"))
    assert [each.code for each in found] == ["nginx.mirrored"]
    assert found[0].what == "Mirrored: shop.example.com: /."


def test_stack_of_the_page_lets_prometheus_in(tmp_path: Path) -> None:
    _, changes, sidecar, *_ = map(yaml.safe_load, blocks("yaml"))
    service = changes["services"]["mirror"]
    (port,) = service["ports"]
    assert port["mode"] == "host"
    merged = {**MIRROR, **service, "environment": MIRROR["environment"] | service["environment"]}
    stack = {"services": {"mirror": merged}, "secrets": changes["secrets"]}
    stack = json.loads(json.dumps(stack).replace('"rollback"', '"pause"'))
    assert PyCompose.from_json(json.dumps(stack)).service_names() == ["mirror"]
    text = (SWARM / "mirror.yaml").read_text().replace("admin: 127.0.0.1:9911", "")
    path = tmp_path / "mirror.yaml"
    path.write_text(text + yaml.safe_dump(sidecar))
    loaded = config.load(path)
    assert str(loaded.admin) == f"0.0.0.0:{port['target']}"
    (secret,) = service["secrets"]
    mounted = f"/run/secrets/{secret['target']}"
    assert loaded.admin_token_file == mounted == service["environment"]["MIRROR_ADMIN_TOKEN_FILE"]
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    token.chmod(secret["mode"])
    assert read_token(str(token)) == b"0123456789abcdef"
    token.chmod(0o444)
    with pytest.raises(ConfigError, match="mode 0444"):
        read_token(str(token))


def test_nginx_accepts_the_files_in_this_order(tmp_path: Path) -> None:
    sites = sorted(nginx_of_a_task(tmp_path).parent.glob("conf.d/*.conf"))
    text = whole("\n".join(site.read_text() for site in sites))
    output = nginx_accepts(tmp_path, text.replace("app:3000", "127.0.0.1:3000"))
    assert "[warn]" not in output


def test_linter_finds_nothing(tmp_path: Path) -> None:
    found = faults(str(nginx_of_a_task(tmp_path)), config.load(SWARM / "mirror.yaml"))
    assert found == []


def test_folders_of_the_configuration_are_mounted() -> None:
    loaded = config.load(SWARM / "mirror.yaml")
    mounted = {volume["target"] for volume in MIRROR["volumes"]}
    assert str(Path(loaded.series.path).parent) in mounted
    assert "/var/run/datadog" in mounted and "/var/run/datadog/" in str(loaded.datadog.dogstatsd)
    # Inside the container, where `docker exec` may also change things.
    assert str(loaded.admin) == "127.0.0.1:9911"
    assert str(loaded.admin.port) in MIRROR["healthcheck"]["test"][-1]
