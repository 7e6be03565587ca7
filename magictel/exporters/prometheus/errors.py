"""Why a Prometheus cannot scrape a page, by the error that it shows for the target, and why it answers no query."""

from __future__ import annotations

from collections.abc import Callable

from magictel.http.error_rules import BackendError, KnownError, Rule, match
from magictel.promql.errors import read_rules


def scrape_error(error: str, target: str) -> KnownError:
    """Return the meaning of a target's `lastError`."""
    known = match(BackendError(0, texts=(error,), words={"error": error, "target": target}), SCRAPE_RULES)
    assert known is not None
    return known


def _short(words: str) -> Callable[[BackendError], str]:
    return lambda error: f"{words}: {error.words['error'][:300]}"


SCRAPE_RULES: tuple[Rule, ...] = (
    Rule(
        "prom.page.unreachable",
        _short("Prometheus cannot connect to the page"),
        "set host to 0.0.0.0 if the page listens on localhost only, and let firewalls and network policies pass the port",
        text=r"connection refused|no such host|no route to host|network is unreachable|i/o timeout|server misbehaving",
    ),
    Rule(
        "prom.page.slow",
        "the scrape of {target} takes longer than Prometheus' scrape_timeout",
        "raise scrape_timeout, or find the slow callback: magictel check TARGET measures the page",
        text=r"context deadline exceeded|Client\.Timeout exceeded",
    ),
    Rule(
        "prom.page.credentials",
        "Prometheus gets 401 or 403 for {target}: its login is missing or wrong",
        "set basic_auth of the scrape job to username and password of this page",
        text=r"HTTP status 40[13]\b",
    ),
    Rule(
        "prom.page.path",
        "Prometheus gets 404 for {target}: it asks for another path",
        "set metrics_path of the scrape job to the path of this page",
        text=r"HTTP status 404\b",
    ),
    Rule(
        "prom.page.tls",
        _short("TLS between Prometheus and the page fails"),
        "make scheme and tls_config of the scrape job fit the page: https and a CA for a page with tls_cert_file, otherwise http",
        text=r"x509:|\btls: |HTTP response to HTTPS client|malformed HTTP response|: EOF$|first record does not look like",
    ),
    Rule(
        "prom.page.limit",
        _short("the page exceeds a limit of the scrape job, so Prometheus stores none of it"),
        "raise the limit in the scrape job, or show fewer series",
        text=r"(?:sample|bucket|label\w*|exemplar|target)[_ ]\w*[_ ]?limit|limit exceeded|body size limit",
    ),
    Rule(
        "prom.page.content-type",
        _short("the page reaches Prometheus without its Content-Type"),
        "scrape the page directly: another server answers, or something in between changes headers",
        text=r"Content-Type",
    ),
    Rule(
        "prom.page.compressed-twice",
        "the page reaches Prometheus as gzip without Content-Encoding: something between them compresses it",
        "scrape the page directly, or switch compression off in the proxy",
        text=r"\\x1f|\x1f",
    ),
    Rule(
        "prom.page.unparsable",
        _short("Prometheus cannot parse the page"),
        "check whether something else answers at this address: magictel check TARGET reads the page as Prometheus does",
        text=r"expected|invalid|strconv|unexpected|does not end with # EOF|while parsing|unsupported|\bproto: ",
    ),
    Rule(
        "prom.page.application-error",
        _short("the application answers with an error"),
        "see the application's log: its collection fails or takes too long",
        text=r"HTTP status 5\d\d",
    ),
    Rule(
        "prom.page.scrape-failed",
        _short("the scrape of {target} fails"),
        "see the target's error in Prometheus: /targets",
    ),
)

READ_RULES = read_rules(
    "prom", "prometheus_url", "set prometheus_username and prometheus_password, or prometheus_token"
)
