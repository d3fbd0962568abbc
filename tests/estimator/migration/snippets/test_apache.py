from estimator.migration.snippets.apache import apache
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Backend, Step

OLD, NEW = Backend("127.0.0.1", 8080), Backend("127.0.0.1", 30081)


def test_a_step_changes_nothing_but_the_weights() -> None:
    path = MovedPath.of("/api/*")
    first, second = (apache(Step(path, OLD, NEW, *each)) for each in ((5, 0), (25, 5)))
    assert second.rollback == first.text
    assert (first.file, first.preparation) == (second.file, second.preparation)
    lines = first.text.splitlines()
    options = "retry=1 connectiontimeout=1 timeout=60 keepalive=On"
    assert lines == [
        "# 5% of /api/* to 127.0.0.1:30081, the rest to 127.0.0.1:8080.",
        f'<Proxy "balancer://{path.name}">',
        f'    BalancerMember "http://127.0.0.1:8080" loadfactor=95 {options}',
        f'    BalancerMember "http://127.0.0.1:30081" loadfactor=5 {options}',
        "    ProxySet lbmethod=byrequests",
        "</Proxy>",
    ]
    assert 'BalancerMember "http://127.0.0.1:30081" status=+D' in first.rollback


def test_preparation_takes_these_paths_alone() -> None:
    lines = {
        template: apache(Step(MovedPath.of(template), OLD, NEW, 5)).preparation.splitlines()[-1]
        for template in ("/api/*", "/cart", "/watch/{id}")
    }
    name = MovedPath.of("/api/*").name
    assert lines["/api/*"] == f'ProxyPass "/api/" "balancer://{name}/api/"'
    assert lines["/cart"].startswith('ProxyPassMatch "^/cart$" "balancer://cart-')
    assert lines["/watch/{id}"].startswith('ProxyPassMatch "^/watch/[^/]+$" "balancer://watch-id-')
