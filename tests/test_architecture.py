"""Checks the rules of the code base that a program can check: imports, sizes, names, tests.

Each rule reads the source, not the running package. A new module that matches no line of EDGES
fails, so that its author states here what it may import.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parent.parent
PACKAGES = ("mirror", "estimator")

EDGES: dict[str, tuple[str, ...]] = {
    # Module pattern (the first match counts) → the modules of ours that it may import.
    "mirror.errors": (),
    "mirror.build": ("mirror.errors",),
    "mirror.addresses": (),
    "mirror.spans": (),
    "mirror.noise": ("mirror.core.latency",),
    "mirror.tls": (),
    "mirror.lean_imports": (),
    "mirror.core.hop": ("mirror.core.http1",),
    "mirror.core.http1": ("mirror.core.wrong_mode",),
    "mirror.core.request_head": (
        "mirror.core.hop",
        "mirror.core.http1",
        "mirror.core.wrong_mode",
        "mirror.errors",
    ),
    "mirror.core.response_head": (
        "mirror.core.http1",
        "mirror.core.request_head",  # a response's framing depends on its request
        "mirror.errors",
    ),
    "mirror.core.selection": ("mirror.core.request_head",),
    "mirror.core.slow_start": ("mirror.core.pool",),
    "mirror.core.ramp": ("mirror.core.budget", "mirror.core.latency", "mirror.core.ledger"),
    "mirror.core.ledger": (
        "mirror.core.canaries.canary",
        "mirror.core.comparison.piece",
        "mirror.core.latency",
        "mirror.core.uri_counts.piece",
    ),
    "mirror.core.worker_ledger": ("mirror.core.latency", "mirror.core.ledger"),
    "mirror.core.comparison.answer": (),
    "mirror.core.comparison.piece": (
        "mirror.core.comparison.answer",
        "mirror.core.uri_counts.piece",
    ),
    "mirror.core.comparison.redirects": (),
    "mirror.core.comparison.envoy_reply": (
        "mirror.core.comparison.answer",
        "mirror.core.comparison.redirects",
        "mirror.core.response_head",
    ),
    "mirror.core.comparison.examples": (
        "mirror.core.comparison.answer",
        "mirror.core.comparison.piece",
        "mirror.core.comparison.redirects",
        "mirror.core.redaction.redactor",
        "mirror.core.uri_counts.*",
    ),
    "mirror.core.comparison.*": (
        "mirror.core.comparison.*",
        "mirror.core.ledger",
        "mirror.core.worker_ledger",
    ),
    "mirror.core.canaries.canary": (),
    "mirror.core.canaries.recent": ("mirror.core.canaries.canary",),
    # Both write what `estimate` reads, and share its words.
    "mirror.core.uri_counts.canonical": (
        "mirror.core.redaction.*",
        "mirror.core.uri_counts.piece",
        "mirror.formats.capture.redacted",
        "mirror.formats.uri_counts",
    ),
    "mirror.core.uri_counts.*": (
        "mirror.core.redaction.redactor",
        "mirror.core.request_head",
        "mirror.core.uri_counts.*",
        "mirror.formats.path_shapes",
    ),
    "mirror.core.latency": (),
    "mirror.core.redaction.redactor": (
        "mirror.core.redaction.values",
        "mirror.formats.capture.redacted",
        "mirror.formats.capture.secret_names",
    ),
    "mirror.core.*": ("mirror.errors",),
    "mirror.capture.overview": (
        "mirror.errors",
        "mirror.formats.capture.record",
        "mirror.formats.routes",
    ),
    "mirror.capture.entries": ("mirror.errors", "mirror.formats.capture.record"),
    "mirror.capture.sorter": ("mirror.capture.entries", "mirror.formats.capture.record"),
    "mirror.capture.redaction": ("mirror.core.redaction.*", "mirror.formats.capture.record"),
    "mirror.capture.access_log": (
        "mirror.capture.entries",
        "mirror.capture.redaction",
        "mirror.capture.sorter",
        "mirror.core.*",
        "mirror.formats.access_log.*",
        "mirror.formats.capture.record",
    ),
    "mirror.capture.importing": (
        "mirror.capture.*",
        "mirror.errors",
        "mirror.formats.access_log.*",
        "mirror.formats.dask_cluster",
    ),
    "mirror.capture.goreplay": ("mirror.capture.entries", "mirror.formats.capture.record"),
    "mirror.capture.har": (
        "mirror.capture.entries",
        "mirror.errors",
        "mirror.formats.capture.record",
    ),
    "mirror.capture.segments": ("mirror.config_sections", "mirror.formats.capture.*"),
    "mirror.capture.key_file": ("mirror.config_sections", "mirror.errors"),
    "mirror.capture.recorder": (
        "mirror.capture.key_file",
        "mirror.capture.segments",
        "mirror.config_sections",
        "mirror.core.*",
        "mirror.errors",
        "mirror.formats.capture.record",
    ),
    # The code that compiles templates also validates them.
    "mirror.config_file": (
        "mirror.addresses",
        "mirror.errors",
        "mirror.formats.*",
        "mirror.spans",
    ),
    "mirror.config_sections": ("mirror.addresses", "mirror.formats.uri_counts", "mirror.spans"),
    "mirror.config": (
        "mirror.config_file",
        "mirror.config_sections",
        "mirror.addresses",
        "mirror.errors",
        "mirror.formats.routes",
        "mirror.formats.uri_counts",
        "mirror.spans",
    ),
    "mirror.formats.*": ("mirror.errors", "mirror.formats.*"),
    "mirror.metrics.catalogue": (
        "mirror.core.comparison.verdict",
        "mirror.core.ledger",
        "mirror.core.ramp",
        "mirror.core.wrong_mode",
    ),
    "mirror.metrics.*": (
        "mirror.addresses",
        "mirror.config_sections",
        "mirror.core.latency",
        "mirror.core.ledger",
        "mirror.formats.series_db",
        "mirror.lean_imports",
        "mirror.metrics.catalogue",
        "mirror.metrics.minute_histograms",
    ),
    "mirror.replay.alarm": (),
    "mirror.process.access": ("mirror.addresses",),
    "mirror.admin.trust": ("mirror.addresses",),
    "mirror.admin.token_file": (
        "mirror.errors",
        "mirror.formats.bounded_files",
        "mirror.process.access",
    ),
    "mirror.admin.hour": ("mirror.core.latency", "mirror.core.ledger"),
    "mirror.admin.verdict": (
        "mirror.admin.hour",
        "mirror.comparison.report.safety",
        "mirror.comparison.report.words",
        "mirror.core.comparison.verdict",
        "mirror.core.ledger",
        "mirror.metrics.catalogue",
    ),
    "mirror.admin.live": (
        "mirror.admin.hour",
        "mirror.admin.verdict",
        "mirror.comparison.report.words",
        "mirror.core.comparison.verdict",
        "mirror.core.latency",
        "mirror.core.ledger",
        "mirror.formats.*",
        "mirror.metrics.catalogue",
    ),
    "mirror.admin.page": ("mirror.admin.trust",),
    "mirror.admin.viewers": (),
    "mirror.admin.server": (
        "mirror.admin.*",
        "mirror.addresses",
        "mirror.errors",
        "mirror.lean_imports",
        "mirror.process.listeners",
    ),
    "mirror.process.recent_rates": ("mirror.core.ledger", "mirror.core.wrong_mode"),
    "mirror.process.silence": ("mirror.process.recent_rates", "mirror.spans"),
    "mirror.process.listeners": (
        "mirror.addresses",
        "mirror.errors",
        "mirror.process.access",
    ),
    "mirror.preflight.findings": ("mirror.formats.foreign_text",),
    "mirror.preflight.rules": ("mirror.preflight.findings",),
    "mirror.preflight.shadow_rules": ("mirror.preflight.findings",),
    "mirror.preflight.descriptors": (
        "mirror.config",
        "mirror.preflight.findings",
        "mirror.preflight.rules",
    ),
    "mirror.preflight.circle": ("mirror.addresses", "mirror.config"),
    "mirror.preflight.host": (
        "mirror.addresses",
        "mirror.config",
        "mirror.errors",
        "mirror.preflight.findings",
        "mirror.preflight.rules",
        "mirror.process.access",
        "mirror.process.listeners",
        "mirror.spans",
    ),
    "mirror.preflight.access_log": (
        "mirror.addresses",
        "mirror.comparison.datagrams",
        "mirror.comparison.log_lines",
        "mirror.config",
        "mirror.preflight.findings",
        "mirror.preflight.rules",
    ),
    "mirror.preflight.disk": (
        "mirror.config",
        "mirror.preflight.findings",
        "mirror.preflight.host",
        "mirror.preflight.rules",
    ),
    "mirror.preflight.agent": (
        "mirror.addresses",
        "mirror.config",
        "mirror.preflight.findings",
        "mirror.preflight.rules",
    ),
    "mirror.preflight.clock": (
        "mirror.core.acceptance",
        "mirror.preflight.findings",
        "mirror.preflight.rules",
    ),
    "mirror.preflight.certificates": (
        "mirror.core.acceptance",
        "mirror.preflight.findings",
        "mirror.preflight.shadow_rules",
        "mirror.proxy.upstream.connection",
        "mirror.tls",
    ),
    "mirror.preflight.nginx.rules": ("mirror.preflight.findings",),
    "mirror.preflight.nginx.dump": ("mirror.formats.bounded_files",),
    "mirror.preflight.nginx.reading": (
        "mirror.formats.bounded_files",
        "mirror.preflight.findings",
        "mirror.preflight.nginx",
        "mirror.preflight.nginx.dump",
        "mirror.preflight.nginx.rules",
    ),
    "mirror.preflight.nginx.scopes": ("mirror.preflight.nginx.reading",),
    "mirror.preflight.nginx.expressions": (),
    "mirror.preflight.nginx.locations": (
        "mirror.preflight.nginx.expressions",
        "mirror.preflight.nginx.scopes",
    ),
    "mirror.preflight.nginx.destinations": (
        "mirror.addresses",
        "mirror.config",
        "mirror.preflight.nginx.expressions",
        "mirror.preflight.nginx.reading",
        "mirror.preflight.nginx.scopes",
    ),
    "mirror.preflight.nginx.*": (
        "mirror.addresses",
        "mirror.config",
        "mirror.preflight.findings",
        "mirror.preflight.nginx",
        "mirror.preflight.nginx.*",
        "mirror.proxy.downstream.reader",
    ),
    "mirror.preflight.shadow": (
        "mirror.config",
        "mirror.core.acceptance",
        "mirror.preflight",
        "mirror.preflight.*",
        "mirror.proxy.upstream.connection",
    ),
    "mirror.preflight.examination": (
        "mirror.config",
        "mirror.preflight",
        "mirror.preflight.*",
        "mirror.proxy.upstream.origins",
    ),
    "mirror.preflight.primary": (
        "mirror.core.*",
        "mirror.proxy.upstream.connection",
        "mirror.proxy.upstream.relaying",
    ),
    "mirror.preflight.probe": (
        "mirror.core.acceptance",
        "mirror.proxy.upstream.admission",
        "mirror.proxy.upstream.connection",
    ),
    "mirror.proxy.upstream.outbox": (),
    "mirror.proxy.recent_ids": (),
    "mirror.proxy.repeats": ("mirror.core.request_head", "mirror.proxy.recent_ids"),
    "mirror.proxy.shadow_leg": (
        "mirror.core.canaries.canary",
        "mirror.core.comparison.answer",
        "mirror.core.comparison.pairs",
    ),
    "mirror.proxy.comparing": ("mirror.config", "mirror.core.*", "mirror.proxy.shadow_leg"),
    "mirror.proxy.exchange": ("mirror.core.*", "mirror.proxy.shadow_leg", "mirror.proxy.tee"),
    "mirror.proxy.upstream.resolver": (),
    "mirror.proxy.downstream.tunnel": (),
    # These three do not know which leg they serve, so they import no leg's configuration.
    "mirror.proxy.upstream.connection": (
        "mirror.addresses",
        "mirror.core.pool",
        "mirror.errors",
        "mirror.proxy.upstream.outbox",
        "mirror.proxy.upstream.resolver",
    ),
    "mirror.proxy.upstream.relaying": (
        "mirror.errors",
        "mirror.core.*",
        "mirror.proxy.upstream.outbox",
        "mirror.proxy.upstream.connection",
    ),
    "mirror.proxy.upstream.discarding": (
        "mirror.errors",
        "mirror.core.*",
        "mirror.proxy.upstream.admission",
        "mirror.proxy.upstream.head_reader",
        "mirror.proxy.upstream.outbox",
        "mirror.proxy.upstream.connection",
    ),
    "mirror.proxy.upstream.head_reader": ("mirror.core.*", "mirror.errors"),
    "mirror.proxy.upstream.admission": (
        "mirror.core.acceptance",
        "mirror.core.http1",
        "mirror.errors",
        "mirror.proxy.upstream.connection",
    ),
    "mirror.proxy.upstream.origins": (
        "mirror.addresses",
        "mirror.config",
        "mirror.config_sections",
        "mirror.errors",
        "mirror.proxy.upstream.connection",
        "mirror.tls",
    ),
    "mirror.proxy.tee": (
        "mirror.capture.recorder",
        "mirror.config",
        "mirror.core.*",
        "mirror.errors",
        "mirror.formats.routes",
        "mirror.proxy.upstream.admission",
        "mirror.proxy.upstream.discarding",
        "mirror.proxy.upstream.origins",
        "mirror.proxy.upstream.outbox",
        "mirror.proxy.recent_ids",
        "mirror.proxy.repeats",
        "mirror.proxy.comparing",
        "mirror.proxy.shadow_leg",
    ),
    "mirror.proxy.downstream.acceptor": ("mirror.config", "mirror.proxy.tee"),
    "mirror.proxy.downstream.reader": ("mirror.errors", "mirror.core.*"),
    "mirror.proxy.downstream.connection": (
        "mirror.core.*",
        "mirror.proxy.downstream.acceptor",
        "mirror.proxy.downstream.reader",
    ),
    "mirror.proxy.downstream.sink": (
        "mirror.core.*",
        "mirror.proxy.downstream.acceptor",
        "mirror.proxy.downstream.connection",
        "mirror.proxy.exchange",
    ),
    "mirror.proxy.downstream.inline_exchange": (
        "mirror.core.*",
        "mirror.proxy.exchange",
        "mirror.proxy.downstream.connection",
        "mirror.proxy.upstream.relaying",
        "mirror.proxy.tee",
        "mirror.proxy.downstream.tunnel",
    ),
    "mirror.proxy.downstream.inline": (
        "mirror.config",
        "mirror.errors",
        "mirror.core.*",
        "mirror.proxy.downstream.acceptor",
        "mirror.proxy.downstream.connection",
        "mirror.proxy.upstream.origins",
        "mirror.proxy.downstream.inline_exchange",
        "mirror.proxy.upstream.relaying",
        "mirror.proxy.tee",
    ),
    "mirror.comparison.log_lines": (
        "mirror.core.comparison.answer",
        "mirror.core.comparison.redirects",
        "mirror.core.ledger",
    ),
    "mirror.comparison.connections": (),
    "mirror.comparison.examples": (
        "mirror.core.comparison.piece",
        "mirror.core.uri_counts.piece",
        "mirror.formats.comparison",
        "mirror.formats.path_shapes",
    ),
    "mirror.comparison.totals": (
        "mirror.comparison.examples",
        "mirror.core.comparison.*",
        "mirror.core.ledger",
        "mirror.formats.comparison",
    ),
    "mirror.comparison.datagrams": (
        "mirror.comparison.log_lines",
        "mirror.process.listeners",
    ),
    "mirror.comparison.followed_file": ("mirror.comparison.log_lines",),
    "mirror.comparison.join": (
        "mirror.addresses",
        "mirror.comparison.*",
        "mirror.config",
        "mirror.core.comparison.*",
        "mirror.core.ledger",
        "mirror.core.redaction.redactor",
        "mirror.core.worker_ledger",
        "mirror.errors",
        "mirror.formats.comparison",
        "mirror.process.listeners",
    ),
    "mirror.comparison.window": ("mirror.core.comparison.*",),
    "mirror.process.timeline": ("mirror.core.ledger",),
    "mirror.process.uri_totals": ("mirror.core.uri_counts.*", "mirror.formats.uri_counts"),
    "mirror.process.merger": (
        "mirror.comparison.totals",
        "mirror.core.comparison.verdict",
        "mirror.formats.comparison",
        "mirror.core.comparison.piece",
        "mirror.core.canaries.recent",
        "mirror.core.latency",
        "mirror.core.ledger",
        "mirror.core.wrong_mode",
        "mirror.process.uri_totals",
    ),
    "mirror.process.starts": (),
    "mirror.process.sinks": (
        "mirror.config",
        "mirror.core.ledger",
        "mirror.formats.routes",
        "mirror.metrics.*",
    ),
    "mirror.process.reloads": ("mirror.errors",),
    "mirror.process.control": ("mirror.core.ledger",),
    "mirror.process.orders": (
        "mirror.config",
        "mirror.core.ledger",
        "mirror.core.ramp",
        "mirror.process.control",
    ),
    "mirror.process.children": (
        "mirror.core.breaker",
        "mirror.errors",
        "mirror.process.control",
        "mirror.process.listeners",
        "mirror.process.merger",
        "mirror.process.orders",
        "mirror.process.starts",
        "mirror.proxy.recent_ids",
    ),
    "mirror.process.worker": (
        "mirror.config",
        "mirror.process.control",
        "mirror.proxy.downstream.acceptor",
        "mirror.proxy.downstream.connection",
        "mirror.proxy.downstream.inline",
        "mirror.process.listeners",
        "mirror.proxy.upstream.outbox",
        "mirror.proxy.recent_ids",
        "mirror.proxy.downstream.sink",
        "mirror.proxy.tee",
    ),
    "mirror.process.memory_ceiling": (
        "mirror.config",
        "mirror.core.budget",
        "mirror.core.comparison.copies",
        "mirror.core.http1",
        "mirror.core.redaction.*",
        "mirror.core.request_head",
        "mirror.core.uri_counts.collector",
    ),
    "mirror.process.supervisor": (
        "mirror",
        "mirror.comparison.join",
        "mirror.config",
        "mirror.core.ledger",
        "mirror.process.merger",
        "mirror.process.timeline",
        "mirror.process.uri_totals",
        "mirror.formats.comparison",
        "mirror.formats.uri_counts",
        "mirror.errors",
        "mirror.metrics.catalogue",
        "mirror.process.access",
        "mirror.admin.*",
        "mirror.process.control",
        "mirror.process.listeners",
        "mirror.process.memory_ceiling",
        "mirror.process.orders",
        "mirror.process.recent_rates",
        "mirror.process.reloads",
        "mirror.process.silence",
        "mirror.process.sinks",
        "mirror.proxy.recent_ids",
        "mirror.process.children",
        "mirror.metrics.*",
    ),
    "mirror.audit.clocks": (),
    "mirror.audit.reasons": (),
    "mirror.audit.window": (),
    "mirror.audit.rules": ("mirror.preflight.findings",),
    "mirror.audit.ids": ("mirror.errors",),
    "mirror.audit.matching": (
        "mirror.audit.clocks",
        "mirror.audit.ids",
        "mirror.audit.reasons",
        "mirror.audit.window",
    ),
    "mirror.audit.canary.sending": (
        "mirror.addresses",
        "mirror.core.canaries.canary",
        "mirror.tls",
    ),
    "mirror.audit.canary.*": (
        "mirror.addresses",
        "mirror.audit.canary.*",
        "mirror.audit.envoy_stats",
        "mirror.audit.lines",
        "mirror.core.canaries.canary",
        "mirror.core.ledger",
        "mirror.errors",
        "mirror.formats.*",
        "mirror.preflight.findings",
    ),
    "mirror.audit.*": (
        "mirror.audit.*",
        "mirror.core.ledger",
        "mirror.core.wrong_mode",
        "mirror.errors",
        "mirror.formats.*",
        "mirror.preflight.findings",
    ),
    # A replay is a load generator without downstream, worker or shadow.
    "mirror.replay.measurement": ("mirror.core.latency",),
    "mirror.replay.saturation": (),
    "mirror.replay.patterns": (),
    "mirror.replay.requests": (
        "mirror.formats.capture.secret_names",
        "mirror.core.request_head",
        "mirror.formats.capture.record",
        "mirror.replay.patterns",
    ),
    "mirror.replay.readiness": ("mirror.addresses", "mirror.errors", "mirror.replay.requests"),
    "mirror.replay.schedule": ("mirror.errors", "mirror.replay.requests"),
    "mirror.replay.*": (
        "mirror.core.*",
        "mirror.errors",
        "mirror.formats.*",
        "mirror.noise",  # one rule says what is noise
        "mirror.replay.alarm",
        "mirror.proxy.upstream.connection",
        "mirror.proxy.upstream.discarding",
        "mirror.replay.*",
    ),
    "mirror.comparison.report.bounds": (),
    "mirror.comparison.report.words": (),
    "mirror.comparison.report.*": (
        "mirror.comparison.report.*",
        "mirror.core.comparison.verdict",
        "mirror.core.latency",
        "mirror.errors",
        "mirror.formats.*",
        "mirror.noise",
        "mirror.spans",
    ),
    "mirror.demo.*": ("mirror.demo.*",),
    "mirror.commands.demo": ("mirror.build", "mirror.demo.*", "mirror.formats.*"),
    "mirror.commands.replaying.replay_table": (
        "mirror.errors",
        "mirror.formats.*",
        "mirror.replay.process_usage",
        "mirror.replay.result",
        "mirror.replay.text",
    ),
    "mirror.commands.admin_client": (
        "mirror.addresses",
        "mirror.admin.token_file",
        "mirror.errors",
        "mirror.formats.*",
    ),
    "mirror.commands.status": (
        "mirror.addresses",
        "mirror.commands.admin_client",
        "mirror.commands.series",
        "mirror.comparison.report.safety",
        "mirror.core.comparison.verdict",
        "mirror.core.wrong_mode",
        "mirror.formats.*",
    ),
    "mirror.commands.arguments": ("mirror.addresses", "mirror.replay.schedule"),
    "mirror.commands.compare_sources": (
        "mirror.addresses",
        "mirror.commands.admin_client",
        "mirror.comparison.report.*",
        "mirror.errors",
        "mirror.formats.*",
    ),
    "mirror.commands.compare": (
        "mirror.addresses",
        "mirror.commands.admin_client",
        "mirror.commands.arguments",
        "mirror.commands.compare_sources",
        "mirror.comparison.report.*",
        "mirror.errors",
        "mirror.formats.*",
        "mirror.spans",
    ),
    "mirror.commands.series_file": (
        "mirror.formats.*",
        "mirror.errors",
    ),
    "mirror.commands.series": (
        "mirror.commands.arguments",
        "mirror.commands.series_file",
        "mirror.errors",
        "mirror.formats.*",
        "mirror.spans",
    ),
    "mirror.commands.*": (
        "mirror",
        "mirror.audit.*",
        "mirror.addresses",
        "mirror.admin.token_file",
        "mirror.build",
        "mirror.config",
        "mirror.config_file",
        "mirror.errors",
        "mirror.core.*",
        "mirror.formats.*",
        "mirror.noise",
        "mirror.preflight.*",
        "mirror.proxy.upstream.origins",
        "mirror.process.supervisor",
        "mirror.capture.*",
        "mirror.replay.*",
        "mirror.commands.admin_client",
        "mirror.commands.arguments",
        "mirror.commands.replaying.replay_table",
        "mirror.spans",
    ),
    "mirror.__main__": ("mirror", "mirror.build", "mirror.formats.terminal"),
    "estimator.errors": (),
    "estimator.units": ("estimator.errors",),
    "estimator.text_files": ("estimator.errors", "mirror.formats.*"),
    "estimator.series.access_log.files": (
        "estimator.errors",
        "estimator.series.rps",
        "estimator.text_files",
        "mirror.formats.*",
    ),
    "estimator.series.*": (
        "estimator.errors",
        "estimator.units",
        "estimator.series.*",
        "mirror.formats.*",
    ),
    "estimator.table.*": (
        "estimator.errors",
        "estimator.units",
        "estimator.table.*",
        "estimator.text_files",
        "estimator.series.rps",  # a component names its route tags
        "mirror.formats.*",
    ),
    "estimator.cluster.*": (
        "estimator.errors",
        "estimator.units",
        "estimator.model.nodes.capacity",
        "estimator.model.nodes.instance_types",
        "estimator.table.document",
        "estimator.table.fields",
        "estimator.table.load_points",
        "estimator.table.yaml_file",
        "estimator.text_files",
    ),
    "estimator.model.figure": (),
    "estimator.model.policy": (),
    "estimator.model.plots": (),
    "estimator.model.evidence.load_curve": (
        "estimator.errors",
        "estimator.model.figure",
        "estimator.table.same_load",
    ),
    "estimator.model.confidence": (
        "estimator.units",
        "estimator.model.*",
        "estimator.series.rps",
        "estimator.table.*",
    ),
    "estimator.model.projection": (
        "estimator.errors",
        "estimator.units",
        "estimator.model.*",
        "estimator.series.rps",
        "estimator.table.load_points",
    ),
    "estimator.model.demand.traffic": (
        "estimator.errors",
        "estimator.model.demand.scenario",
        "estimator.series.rps",
    ),
    "estimator.model.*": (
        "estimator.errors",
        "estimator.units",
        "estimator.model.*",
        "estimator.table.load_points",
    ),
    "estimator.observed.*": (
        "estimator.errors",
        "estimator.units",
        "estimator.observed.*",
        "estimator.series.datadog_api",
        "estimator.series.prometheus_api",
        "estimator.table.rows",
        "estimator.table.load_tools.run",
        "estimator.text_files",
        "mirror.formats.replay_result",
    ),
    "estimator.routing.objects": (
        "estimator.errors",
        "estimator.routing.fields",
        "estimator.text_files",
        "mirror.formats.bounded_files",
        "mirror.formats.yaml_documents",
    ),
    "estimator.routing.*": ("estimator.errors", "estimator.routing.*"),
    "estimator.migration.order.*": (
        "estimator.errors",
        "estimator.units",
        "estimator.migration.coverage.*",
        "estimator.migration.order.*",
        "estimator.migration.snippets.*",
        "estimator.model.confidence",
        "estimator.requests.observations",
        "estimator.routing.*",
        "estimator.series.ended_legs",
        "estimator.series.rps",
        "mirror.formats.bounded_files",
        "mirror.formats.capture.*",
        "mirror.formats.comparison",
        "mirror.formats.routes",
    ),
    "estimator.migration.snippets.*": (
        "estimator.migration.snippets.*",
        "estimator.report.yaml_text",  # a manifest is written in one way everywhere
    ),
    "estimator.migration.coverage.*": (
        "estimator.migration.coverage.*",
        "estimator.requests.asked",
        "estimator.requests.observations",
        "estimator.routing.*",
        "mirror.formats.comparison",
        "mirror.formats.path_shapes",
    ),
    "estimator.migration.*": (
        "estimator.errors",
        "estimator.units",
        "estimator.migration.*",
        "estimator.model.*",
        "estimator.observed.usage",
        "estimator.series.ended_legs",
        "estimator.series.rps",
        "estimator.table.*",
    ),
    "estimator.requests.*": (
        "estimator.errors",
        "estimator.requests.*",
        "estimator.routing.conditions",
        "estimator.routing.request",
        "estimator.series.*",
        "estimator.units",
        "mirror.formats.*",
    ),
    "estimator.report.coverage.*": (
        "estimator.units",
        "estimator.migration.coverage.*",
        "estimator.report.blocks",
        "estimator.report.charts.axes",
        "estimator.report.coverage.*",
        "estimator.report.data",
        "estimator.report.yaml_text",
        "estimator.routing.*",
    ),
    "estimator.report.order.*": (
        "estimator.units",
        "estimator.migration.order.*",
        "estimator.migration.snippets.*",
        "estimator.report.*",
        "mirror.formats.*",
    ),
    "estimator.report.switch_plan.*": (
        "estimator.migration.order.moves",
        "estimator.migration.snippets.step",
        "estimator.migration.switch_plan.plan",
        "estimator.model.confidence",  # names the days of the week
        "estimator.report.*",
        "estimator.units",
        "mirror.formats.foreign_text",
    ),
    "estimator.report.*": (
        "estimator.errors",
        "estimator.units",
        "estimator.report.*",
        "estimator.model.*",
        "estimator.table.load_points",  # a manifest depends on its kinds
        "mirror.formats.*",
    ),
    "estimator.commands.exits": ("estimator.errors", "mirror.formats.terminal"),
    "estimator.commands.*": ("estimator", "estimator.*", "mirror.formats.*"),
    "estimator.__main__": ("estimator.commands.exits", "estimator.commands.estimate"),
}

SAYS_SHADOW = {
    # The only modules of core, proxy and process that may know of a shadow beside the primary.
    "mirror.core.request_head": "writes the mark and reads it",
    "mirror.core.ledger": "names the metrics",
    "mirror.core.comparison.verdict": "compares the answers of both",
    "mirror.core.comparison.piece": "carries the answers of the shadow's legs",
    "mirror.process.merger": "adds up the legs of both",
    "mirror.core.ramp": "judges what the shadow did",
    "mirror.proxy.upstream.origins": "reads the sections of both upstreams",
    "mirror.core.comparison.examples": "shows what both answered",
    "mirror.core.comparison.pairs": "brings the answers of both together",
    "mirror.core.comparison.copies": "keeps the answers of the shadow's legs",
    "mirror.proxy.comparing": "does the same for the legs of a worker",
    "mirror.proxy.exchange": "starts the shadow legs of a request",
    "mirror.proxy.tee": "owns the shadow legs",
    "mirror.proxy.shadow_leg": "is one of them",
    "mirror.process.memory_ceiling": "counts what the shadow can make a worker hold",
    "mirror.process.orders": "reads the ratio of the shadow's section and its ramp",
    "mirror.process.supervisor": "shows the shadow's address in /status",
    "mirror.process.recent_rates": "keeps the rates of both for /status",
}

OWN_SESSIONS = {
    "mirror.demo.load": "drives plain HTTP on this machine",
}

SHELL = {"asyncio", "socket", "time", "os", "logging", "threading", "signal", "selectors", "ssl"}
PANDAS = {"estimator.series.columns"}
GRAVITY_WELLS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "constants",
    "types",
    "base",
    "misc",
}
MOST_FUNCTION_LINES = 60
MOST_CLASS_LINES = 300
MOST_MODULE_LINES = 400
MOST_PARAMETERS = 6
MOST_MODULES_OF_A_FOLDER = 17


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
every_module = pytest.mark.parametrize("module", SOURCES)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text())


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return the full names of our modules and the top-level packages of others' modules."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            # `from mirror.core import ledger` imports a module; `from mirror import __version__`
            # imports a name from a module.
            candidates = [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
            names = [full if full in SOURCES else str(parent) for full, parent in candidates]
        else:
            continue
        ours = [name for name in names if name.split(".")[0] in PACKAGES]
        found.update(ours or [name.split(".")[0] for name in names])
    return frozenset(found)


def ours(module: str) -> list[str]:
    return sorted(name for name in imports_of(module) if name.split(".")[0] in PACKAGES)


def is_package(module: str) -> bool:
    return SOURCES[module].name == "__init__.py"


def edges_of(module: str) -> tuple[str, ...] | None:
    if is_package(module):
        return ()
    for pattern, allowed in EDGES.items():
        if fnmatchcase(module, pattern):
            return allowed
    return None


def functions_of(module: str) -> Iterator[Function]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, Function):
            yield node


def lines_of(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_sources_are_found() -> None:
    assert {"mirror.config", "mirror.core.http1", "estimator.units"} <= set(SOURCES)


# --- who may import whom ---


@every_module
def test_imports_are_allowed(module: str) -> None:
    allowed = edges_of(module)
    assert allowed is not None, f"{module} stands in no line of EDGES: say what it may import"
    for name in ours(module):
        assert any(fnmatchcase(name, pattern) for pattern in allowed), f"{module} imports {name}"


def test_no_edge_is_stale() -> None:
    for pattern in EDGES:
        if "*" not in pattern:
            assert pattern in SOURCES, f"{pattern} is gone: so should its line be"


def test_imports_have_no_cycle() -> None:
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module in done or module not in SOURCES:
            return
        for name in ours(module):
            walk(name, (*path, module))
        done.add(module)

    for module in SOURCES:
        walk(module, ())


STEPS_OF_AN_ESTIMATE = ("demand", "evidence", "sizing", "autoscaling", "nodes")


@every_module
def test_no_step_of_an_estimate_looks_ahead(module: str) -> None:
    for place, step in enumerate(STEPS_OF_AN_ESTIMATE):
        if module.startswith(f"estimator.model.{step}."):
            allowed = (*STEPS_OF_AN_ESTIMATE[: place + 1], "figure", "plots", "policy")
            for name in ours(module):
                if name.startswith("estimator.model."):
                    assert name.split(".")[2] in allowed, name


@every_module
def test_packages_share_only_the_formats(module: str) -> None:
    package = module.split(".")[0]
    for name in ours(module):
        is_shared = package == "estimator" and name.startswith("mirror.formats.")
        assert name.split(".")[0] == package or is_shared, name


def test_formats_know_nothing_of_what_uses_them() -> None:
    for module in SOURCES:
        if module.startswith("mirror.formats."):
            assert all(
                name.startswith(("mirror.formats.", "mirror.errors")) for name in ours(module)
            )


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("mirror.core")])
def test_core_is_pure(module: str) -> None:
    assert not imports_of(module) & SHELL


def test_pandas_ends_at_the_edges() -> None:
    assert {module for module in SOURCES if "pandas" in imports_of(module)} == PANDAS


@pytest.mark.parametrize(
    "module", [name for name in SOURCES if name.startswith("estimator.report.")]
)
def test_report_computes_no_number(module: str) -> None:
    assert not imports_of(module) & {"numpy", "pandas", "math", "statistics"}


# --- who may know what ---


def identifiers_of(module: str) -> Iterator[str]:
    for node in ast.walk(tree_of(module)):
        for attribute in ("id", "attr", "arg", "name"):
            value = getattr(node, attribute, None)
            if isinstance(value, str):
                yield value


def calls_of(module: str) -> set[str]:
    """Return the last part of each called name: `SSLContext` for `ssl.SSLContext()`."""
    calls = (node.func for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call))
    return {ast.unparse(call).rpartition(".")[2] for call in calls}


def test_only_these_modules_know_the_shadow() -> None:
    knowing = {
        module
        for module in SOURCES
        if module.startswith(("mirror.core.", "mirror.process.", "mirror.proxy."))
        and any("shadow" in name.lower() for name in identifiers_of(module))
    }
    assert knowing == set(SAYS_SHADOW)


def test_only_the_configuration_reads_the_environment() -> None:
    for module in SOURCES:
        if module.startswith(
            ("mirror.core.", "mirror.process.", "mirror.proxy.", "mirror.metrics.")
        ):
            assert not {"environ", "getenv"} & set(identifiers_of(module)), module


OWN_EXITS = {
    "mirror.formats.terminal": "prints lines",
    "mirror.formats.rich_console": "makes the console of tables",
    "mirror.demo.app": "is a program of its own, which prints its port",
    "estimator.__main__": "prints where the packages that everything else needs are missing",
}


def test_everything_printed_passes_one_exit() -> None:
    # The exits make visible what a terminal would obey. A console is annotated, but made nowhere.
    exits = {"echo", "secho", "print", "Console", "from_markup"}
    for module in set(SOURCES) - OWN_EXITS.keys():
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(tree_of(module))
            if isinstance(node, ast.Call)
        }
        names = {call.rpartition(".")[2] for call in calls if not call.endswith(".print")}
        assert not names & exits, module


WRITES_OTHERWISE = {
    "mirror.formats.whole_files": "writes whole files",
    "mirror.demo": "writes into folders of its own",
    "mirror.capture.segments": "appends to a segment, which it makes exclusively",
    "estimator.series.datadog_cache": "writes whole files of its own",
}


def test_files_are_written_whole() -> None:
    # Such a file never follows a link, and nobody finds half of it.
    for module in set(SOURCES) - WRITES_OTHERWISE.keys():
        if module.startswith("mirror.demo."):
            continue
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                assert name not in {"write_text", "write_bytes", "mkstemp"}, module
                modes = [each.value for each in node.args[1:2] if isinstance(each, ast.Constant)]
                is_written = name == "open" and any(set(str(mode)) & {*"wax"} for mode in modes)
                assert not is_written or "memfd" in ast.unparse(node), module


def test_tls_contexts_and_api_sessions_are_made_in_one_place() -> None:
    # In other modules, OpenSSL's configuration would determine the minimum version.
    for module in set(SOURCES) - {"mirror.tls", "estimator.series.http_session"}:
        assert not {"create_default_context", "SSLContext"} & calls_of(module), module
    for module in set(SOURCES) - {"estimator.series.http_session", *OWN_SESSIONS}:
        assert "ClientSession" not in calls_of(module), module


# --- sizes and names ---


@every_module
def test_module_is_not_too_long(module: str) -> None:
    assert len(SOURCES[module].read_text().splitlines()) <= MOST_MODULE_LINES


@every_module
def test_classes_are_not_too_long(module: str) -> None:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ClassDef):
            assert lines_of(node) <= MOST_CLASS_LINES, node.name


@every_module
def test_functions_are_not_too_long(module: str) -> None:
    for function in functions_of(module):
        assert lines_of(function) <= MOST_FUNCTION_LINES, function.name


def is_command(function: Function) -> bool:
    """Return whether a function is a click command, which has one parameter per option."""
    return any("click." in ast.unparse(decorator) for decorator in function.decorator_list)


@every_module
def test_functions_take_few_parameters(module: str) -> None:
    for function in functions_of(module):
        arguments = function.args
        names = [item.arg for item in (*arguments.posonlyargs, *arguments.args)]
        taken = [name for name in names if name not in ("self", "cls")]
        taken += [item.arg for item in arguments.kwonlyargs]
        assert len(taken) <= MOST_PARAMETERS or is_command(function), function.name


def test_folders_are_small() -> None:
    folders = Counter(path.parent for module, path in SOURCES.items() if not is_package(module))
    assert {str(path): n for path, n in folders.items() if n > MOST_MODULES_OF_A_FOLDER} == {}


@pytest.mark.parametrize("package", [name for name in SOURCES if is_package(name)])
def test_package_map_names_every_part(package: str) -> None:
    text = SOURCES[package].read_text()
    folder = SOURCES[package].parent
    parts = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}
    parts |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert [part for part in sorted(parts) if not re.search(rf"\b{part}\b", text)] == []


@every_module
def test_module_is_no_gravity_well(module: str) -> None:
    assert module.rpartition(".")[2] not in GRAVITY_WELLS


@every_module
def test_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(tree_of(module)), "a header: what it owns, keeps, must never know"


@every_module
def test_sql_numbers_no_placeholder(module: str) -> None:
    # The first releases of Python 3.12 read `?1` as a named placeholder and warn about it.
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not re.search(r"\?\d", node.value), f"line {node.lineno}: name it, :like_this"


# --- tests ---


@pytest.mark.parametrize(
    "module", [name for name, path in SOURCES.items() if not path.stem.startswith("__")]
)
def test_every_source_has_its_test(module: str) -> None:
    path = SOURCES[module].relative_to(ROOT)
    test = ROOT / "tests" / path.parent / f"test_{path.name}"
    assert test.exists(), f"{path} needs {test.relative_to(ROOT)}"


def test_no_test_mocks() -> None:
    # The rule covers more than `import unittest.mock`: monkeypatching by name is a mock, too.
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any("mock" in name for name in names), path
