"""Apache in front: the share of a path that its balancer sends to the gateway (phase 1 to 2).

`byrequests` counts, so it divides requests exactly by the load factors (mod_lbmethod_byrequests). A
member without a share is disabled and not removed, so that the balancer manager can enable it.
ProxyPassMatch appends the path to a target that has no `$1` (modules/proxy/mod_proxy.c), so both
directives pass on the same request. The options of the members are those of
deploy/apache/balancer.conf.
"""

from estimator.migration.snippets.path import MovedPath, PathKind
from estimator.migration.snippets.step import Backend, Snippet, Step

_OPTIONS = "retry=1 connectiontimeout=1 timeout=60 keepalive=On"
COMMAND = "apachectl configtest && apachectl graceful"


def apache(step: Step) -> Snippet:
    """Return the balancer of the path, and the ProxyPass line that leads to it."""
    return Snippet(
        file=f"{step.path.name}.balancer.conf",
        text=_balancer(step),
        rollback=_balancer(step.undone),
        command=COMMAND,
        preparation=_preparation(step.path),
    )


def _balancer(step: Step) -> str:
    members = (
        _member(step.old, 100 - step.percent),
        _member(step.new, step.percent),
    )
    return "\n".join(
        (
            f"# {step.summary}.",
            f'<Proxy "balancer://{step.path.name}">',
            *(f"    {member}" for member in members),
            "    ProxySet lbmethod=byrequests",
            "</Proxy>",
            "",
        )
    )


def _member(backend: Backend, percent: int) -> str:
    share = f"loadfactor={percent}" if percent else "status=+D"
    return f'BalancerMember "http://{backend}" {share} {_OPTIONS}'


def _preparation(path: MovedPath) -> str:
    balancer = f"balancer://{path.name}"
    if path.kind is PathKind.PREFIX:
        line = f'ProxyPass "{path.text}" "{balancer}{path.text}"'
    else:
        # Even for an exact path, because ProxyPass would take everything below it, too.
        line = f'ProxyPassMatch "^{path.pattern}$" "{balancer}"'
    return "\n".join(
        (
            "# The first ProxyPass that matches wins: put these lines before those that take more",
            f"# than {path.template}, and after those that take a part of it.",
            "# Apache looks for the file below its ServerRoot.",
            f'Include "{path.name}.balancer.conf"',
            line,
            "",
        )
    )
