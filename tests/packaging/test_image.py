"""Builds, inspects and runs both targets of the Dockerfile as it is.

The Dockerfile's base image is in an image registry that these tests do not reach. They pass another
base through the same ARG: a minimal Debian that debootstrap makes from the packages that this
machine can install, so the Dockerfile is tested with Debian's Python. The base is made once and
kept in .venv/image.

buildah keeps images and containers in a folder of this run. Its chroot isolation separates neither
the network nor process ids, so a container's ports and processes are visible like those of any
child process.
"""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from mirror.demo.envoy import start_envoy
from mirror.demo.processes import (
    Child,
    ChildFailed,
    Processes,
    answers,
    find_program,
    free_ports,
)
from mirror.demo.sidecar import Sidecar
from tests.topology.conftest import require

# The two builds share the machine's processors, and the first run also makes the base.
pytestmark = [pytest.mark.topology, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".venv/image"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

# The oldest Debian with a Python that the project supports.
RELEASE = "bookworm"
DEBOOTSTRAP_S, BUILD_S = 300.0, 600.0

# The settings of pip that state how to reach an index, as opposed to what to install.
PIP_KEYS = (
    *("index-url", "extra-index-url", "trusted-host", "proxy", "cert"),
    *("timeout", "default-timeout"),
)
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# A name that no package of the base overwrites.
TRUSTED = "/etc/ssl/machine.crt"

ESTIMATORS = {"numpy", "pandas", "pyarrow", "re2", "scipy"}
MOST_SIDECAR_BYTES = 200e6
UID = 10001

REQUEST = """
import socket
with socket.socket(socket.AF_UNIX) as downstream:
    downstream.connect("/run/mirror/mirror.sock")
    downstream.sendall(b"GET /watch/1 HTTP/1.1\\r\\nHost: site\\r\\n\\r\\n")
    print(downstream.recv(4096).decode())
"""


@dataclass(frozen=True)
class Buildah:
    """buildah with its own images and containers below one directory."""

    directory: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {"TMPDIR": str(self.directory), "BUILDAH_ISOLATION": "chroot"}

    def command(self, *words: str | Path) -> list[str | Path]:
        storage = ("--root", self.directory / "root", "--runroot", self.directory / "run")
        return ["buildah", *storage, "--storage-driver", "vfs", *words]

    def __call__(self, *words: str | Path, timeout_s: float = 60.0) -> str:
        """Run buildah, which must succeed, and return what it or its program printed."""
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **self.environment},
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout.strip()


@dataclass(frozen=True)
class Container:
    """A container whose commands run as the image's user and in its working directory."""

    buildah: Buildah
    image: str

    @cached_property
    def name(self) -> str:
        return self.buildah("from", self.image)

    @cached_property
    def root(self) -> Path:
        return Path(self.buildah("mount", self.name))

    @cached_property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.buildah("inspect", self.name))["OCIv1"]["config"]
        return found

    def run(self, *words: str, config: Path | None = None) -> str:
        return self.buildah(*self._run(words, config))

    def start(self, processes: Processes, *words: str, config: Path) -> Child:
        """Start a program that keeps running; otherwise like `run`."""
        command = self.buildah.command(*self._run(words, config))
        return processes.start(words[0], command, environment=self.buildah.environment)

    def _run(self, words: Sequence[str], config: Path | None) -> list[str]:
        """Return the command line, with the configuration where the Compose file mounts it."""
        volume = ("--volume", f"{config}:/etc/mirror/mirror.yaml:ro") if config else ()
        return ["run", *volume, self.name, "--", *words]

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each file of the container."""
        return {
            str(path.relative_to(self.root)): path.lstat().st_size
            for folder, _, names in os.walk(self.root)
            for path in (Path(folder, name) for name in names)
        }


@dataclass(frozen=True)
class Images:
    base: Container
    mirror: Container
    estimate: Container

    def added(self, container: Container) -> dict[str, int]:
        """Return the files that the image adds to the base, with their sizes in bytes."""
        base = self.base.sizes()
        return {name: size for name, size in container.sizes().items() if name not in base}


@pytest.fixture
def images() -> Iterator[Images]:
    """Build the common stage, then both targets in parallel; skip where this machine cannot.

    The common stage is an image of its own, so that the code is compiled once. Sharing layers
    instead would cost more, because the vfs driver copies all files for every layer.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can make a Debian and build an image on it")
    for program in ("apt-get", "debootstrap", "buildah"):
        if find_program(program) is None:
            pytest.skip(f"no {program} here: on Debian, apt-get install buildah debootstrap")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name, Processes(Path(name)) as processes:
        buildah = Buildah(Path(name))
        make_base(buildah, debian(processes, Path(name)))

        def build(*targets: str) -> None:
            builds = [
                processes.start(
                    f"build-{target}",
                    buildah.command(
                        *("build", "--build-arg", "BASE=localhost/base", *context),
                        *("--target", target, "--tag", target, ROOT),
                    ),
                    environment=buildah.environment,
                )
                for target in targets
            ]
            if any([build.wait(BUILD_S) for build in builds]):
                skip_without_packages(Path(name))
                pytest.fail("\n".join(build.last_lines(12) for build in builds))

        context: tuple[str, ...] = ()
        build("build")
        context = ("--build-context", "build=container-image://localhost/build")
        build("mirror", "estimate")
        yield Images(*(Container(buildah, image) for image in ("base", "mirror", "estimate")))


def debian(processes: Processes, directory: Path) -> Path:
    """Return the path of a tar with a minimal Debian that includes Python."""
    tar = CACHE / f"{RELEASE}-python3.tar"
    if not tar.exists():
        expected = ("Created-By: Packages", "Label: Debian", "Component: main")
        targets = said("apt-get", "indextargets", "--format", "$(REPO_URI)", *expected)
        if not targets:
            pytest.skip("apt names no mirror of Debian here: apt-get update")
        tree = directory / "debian"
        # In a mount namespace of its own, its mounts disappear however it ends.
        words = ("--variant=minbase", "--include=python3", RELEASE, tree, targets.split()[0])
        try:
            made = processes.start("debootstrap", ["unshare", "--mount", "debootstrap", *words])
            code = made.wait(DEBOOTSTRAP_S)
        except ChildFailed as error:
            pytest.skip(f"debootstrap makes no Debian here: {error}")
        if code != 0:
            pytest.skip(f"debootstrap makes no Debian here: {made.last_lines(1)}")
        part = directory / "debian.tar"
        pack = ("tar", "-cf", part, "-C", tree, "--exclude=./var/cache/apt/archives/*.deb", ".")
        # A tar truncated by a full disk must not become the base of later runs.
        subprocess.run(pack, check=True, timeout=120)
        part.rename(tar)
        shutil.rmtree(tree)
    return tar


def make_base(buildah: Buildah, tar: Path) -> None:
    """Make the image `base` from that Debian, with this machine's access to package indexes."""
    settings = buildah.directory / "settings"
    for path, text in machine_settings().items():
        target = settings / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    container = buildah("from", "scratch")
    buildah("add", container, tar, "/")
    buildah("copy", container, settings, "/")
    buildah("commit", "--rm", container, "base")


def machine_settings() -> dict[str, str]:
    """Return, by path, the files that let apt and pip reach this machine's package indexes.

    They do not include proxies from the environment, which buildah passes on itself.
    """
    # Other settings of apt may name programs that exist only on this machine.
    apt = [line for line in said("apt-config", "dump").splitlines() if line.startswith("Acquire::")]
    pip: dict[str, str] = {}
    for line in said(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        # Settings from the environment come first and override those of files.
        pip.setdefault(name.rpartition(".")[2], " ".join(ast.literal_eval(value).split()))
    trusted = Path(pip.get("cert", CERTIFICATES))
    files = {}
    if trusted.is_file():
        files[TRUSTED] = trusted.read_text()
        apt.append(f'Acquire::https::CAInfo "{TRUSTED}";')
        pip["cert"] = TRUSTED
    files["/etc/apt/apt.conf.d/99machine"] = "\n".join([*apt, ""])
    reaching = [f"{key} = {pip[key]}" for key in PIP_KEYS if key in pip]
    files["/etc/pip.conf"] = "\n".join(["[global]", *reaching, ""])
    return files


def skip_without_packages(directory: Path) -> None:
    """Skip the test if the build failed because this machine reaches no packages."""
    for command in (
        ("apt-get", "download", "libc6-dev"),
        (sys.executable, "-m", "pip", "download", "--no-deps", "click"),
    ):
        try:
            subprocess.run(command, cwd=directory, timeout=60, check=True)
        except subprocess.SubprocessError as error:
            pytest.skip(f"the registries give no packages here: {error}")


def said(*command: str | Path) -> str:
    """Return the output of a program on this machine, or an empty string if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120)
    return done.stdout if done.returncode == 0 else ""


def test_images(images: Images, subtests: pytest.Subtests, tmp_path: Path) -> None:
    """Check both images in one test, so that a machine without images shows one skip."""
    for look in (
        sidecar_is_compiled,
        sidecar_is_light,
        estimate_finds_its_libraries,
        nothing_of_the_build_remains,
        user_owns_two_directories,
    ):
        with subtests.test(look.__name__):
            look(images)
    with subtests.test("serves_as_composed"):
        serves_as_composed(images.mirror, tmp_path)


def sidecar_is_compiled(images: Images) -> None:
    assert images.mirror.config["Entrypoint"] == ["mirror"]
    assert "(compiled)" in images.mirror.run("mirror", "--version")


def sidecar_is_light(images: Images) -> None:
    assert not ESTIMATORS & site_packages(images.mirror)
    assert sum(images.added(images.mirror).values()) <= MOST_SIDECAR_BYTES


def estimate_finds_its_libraries(images: Images) -> None:
    assert images.estimate.config["Entrypoint"] == ["estimate"]
    assert images.estimate.run("estimate", "--version").startswith("estimate, version")
    assert site_packages(images.estimate) >= ESTIMATORS
    images.estimate.run("python", "-c", f"import {', '.join(sorted(ESTIMATORS))}")


def site_packages(container: Container) -> set[str]:
    return {path.name for path in container.root.glob("opt/kagami/lib/python3*/site-packages/*")}


def nothing_of_the_build_remains(images: Images) -> None:
    for container in (images.mirror, images.estimate):
        added = images.added(container)
        # useradd keeps a backup of each file that it changes.
        assert [name for name in added if not name.startswith(("opt/kagami/", "etc/"))] == []
        assert [name for name in added if name.startswith("opt/kagami/bin/pip")] == []


def user_owns_two_directories(images: Images) -> None:
    for container in (images.mirror, images.estimate):
        assert container.run("id", "--user") == str(UID)
        owned = {
            str(path.relative_to(container.root))
            for path in container.root.rglob("*")
            if path.lstat().st_uid == UID
        }
        assert owned == {"run/mirror", "var/lib/mirror"}


def serves_as_composed(container: Container, directory: Path) -> None:
    """Run the commands of the Compose file on loopback with free ports."""
    services = COMPOSE["services"]
    service = services["mirror"]
    envoy = require("envoy")
    admin, app, gateway, stats = free_ports(4)
    addresses = {
        "0.0.0.0:9911": f"127.0.0.1:{admin}",
        "'127.0.0.1', 9911": f"'127.0.0.1', {admin}",
        "istio-proxy:8081": f"127.0.0.1:{gateway}",
        "0.0.0.0:3000": f"127.0.0.1:{app}",
    }

    def here(text: str) -> str:
        return re.sub("|".join(map(re.escape, addresses)), lambda found: addresses[found[0]], text)

    config = directory / "mirror.yaml"
    config.write_text(here((ROOT / "deploy/compose/mirror.yaml").read_text()))
    with Processes(directory) as processes:
        application = container.start(
            processes, *map(here, services["kubernetes-app"]["entrypoint"]), config=config
        )
        application.wait_until(lambda: answers(app, "/_seen", status=200))
        start_envoy(processes, directory, envoy, ports=(gateway, stats), app_port=app)
        # The machine of the test may lack descriptors or disk, which is a warning (1).
        preflight = "mirror check -c /etc/mirror/mirror.yaml || [ $? -eq 1 ]"
        assert "note: shadow.accepted" in container.run("sh", "-c", preflight, config=config)
        command = container.config["Entrypoint"] + service["command"]
        sidecar = Sidecar(container.start(processes, *command, config=config), admin)
        sidecar.child.wait_until(lambda: answers(admin, "/readyz", status=200))
        container.run(*map(here, service["healthcheck"]["test"][1:]))
        assert container.run("python", "-c", REQUEST).startswith("HTTP/1.1 ")
        assert sidecar.settled_ledger()["outcomes"] == {"2xx": 1}
        supervisor = psutil.Process(sidecar.status()["workers"][0]["pid"]).parent()
        assert supervisor is not None
        # Make sure that this is a process of the test and not an unrelated one with the same id.
        assert sidecar.child.pid in [parent.pid for parent in supervisor.parents()]
        assert set(supervisor.uids()) == {UID}
        # Signal the process directly, because buildah would kill it with SIGKILL.
        supervisor.send_signal(signal.Signals[container.config["StopSignal"]])
        grace_s = float(service["stop_grace_period"].removesuffix("s"))
        assert sidecar.child.wait(grace_s) == 0, sidecar.child.last_lines()
        assert not (container.root / "run/mirror/mirror.sock").exists()
        assert (container.root / "var/lib/mirror/series.db").stat().st_uid == UID
