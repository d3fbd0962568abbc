"""The application of the demo: cheap answers that name the app that gave them.

`python -m mirror.demo.app --listen 127.0.0.1:PORT --name NAME`

The same program is the primary (the Swarm side) and the shadow (the Kubernetes side). It answers
with `server: demo-app`, so that the preflight distinguishes it from Envoy and nginx, and it counts
the requests that reach it: `/_seen` returns their number by method, without those to `/_seen`. It
knows nothing about mirroring.
"""

import sys
from collections import Counter

import click
import uvloop
from aiohttp import web

from mirror.demo.processes import Child, Processes, answers

SERVER_NAME = "demo-app"


def application(name: str) -> web.Application:
    """Return the routes of a small video site, which answer with a few bytes of JSON."""
    seen: Counter[str] = Counter()

    def reply(request: web.Request, **fields: str | int) -> web.Response:
        return web.json_response(
            {"app": name, "path": request.path, **fields}, headers={"Server": SERVER_NAME}
        )

    async def watch(request: web.Request) -> web.Response:
        seen[request.method] += 1
        return reply(request, video=request.match_info["id"])

    async def page(request: web.Request) -> web.Response:
        seen[request.method] += 1
        return reply(request)

    async def comment(request: web.Request) -> web.Response:
        seen[request.method] += 1
        return reply(request, received_bytes=len(await request.read()))

    async def report(request: web.Request) -> web.Response:
        return web.json_response(dict(seen), headers={"Server": SERVER_NAME})

    site = web.Application(client_max_size=64 * 1024 * 1024)
    site.router.add_get("/_seen", report)
    site.router.add_get("/watch/{id}", watch)
    site.router.add_post("/api/comments", comment)
    for template in ("/", "/healthz", "/api/{rest:.*}", "/static/{rest:.*}"):
        site.router.add_get(template, page)
    return site


def start_app(processes: Processes, name: str, port: int) -> Child:
    """Start the application on loopback and wait until it answers."""
    module = [sys.executable, "-m", "mirror.demo.app"]
    child = processes.start(name, [*module, "--name", name, "--listen", f"127.0.0.1:{port}"])
    child.wait_until(lambda: answers(port, "/_seen", status=200))
    return child


@click.command()
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where to accept connections.")
@click.option("--name", default="app", show_default=True, help="Who the answers say they are from.")
def main(listen: str, name: str) -> None:
    """Serve the application of the demo until SIGTERM."""
    host, _, port = listen.rpartition(":")
    web.run_app(
        application(name),
        host=host,
        port=int(port),
        access_log=None,
        print=lambda line: click.echo(line, err=True),
        loop=uvloop.new_event_loop(),
        # nginx and Envoy keep idle connections for 60 s to 1 h; closing first would race them.
        keepalive_timeout=3600,
    )


if __name__ == "__main__":
    main()
