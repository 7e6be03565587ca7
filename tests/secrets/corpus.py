"""Two hundred attributes with a secret, and two hundred that look like one: written samples, and generated ones without any real secret."""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable, Iterator

ALNUM = string.ascii_letters + string.digits
WORD = ALNUM + "_-"
HEX = "0123456789abcdef"

_chance = random.Random(20_26)  # no secret


def text(alphabet: str, length: int) -> str:
    """Return random characters, with a digit and a capital letter where the alphabet has them."""
    characters = _chance.choices(alphabet, k=length)
    for at, wanted in enumerate((string.digits, string.ascii_uppercase), 1):
        usable = [character for character in wanted if character in alphabet]
        if usable:
            characters[at] = _chance.choice(usable)
    return "".join(characters)


def card(prefix: str, length: int, *, valid: bool = True) -> str:
    """Return a number with the checksum of cards, or with another last digit."""
    body = prefix + "".join(_chance.choices(string.digits, k=length - len(prefix) - 1))
    total = sum(
        int(digit) if place % 2 else sum(divmod(2 * int(digit), 10)) for place, digit in enumerate(reversed(body))
    )
    return f"{body}{(-total + (0 if valid else _chance.randint(1, 9))) % 10}"


def grouped(number: str, sign: str) -> str:
    return sign.join(number[at : at + 4] for at in range(0, len(number), 4))


TOKENS: dict[str, Callable[[], str]] = {
    "GitHub": lambda: "ghp_" + text(ALNUM, 36),
    "GitHub, fine-grained": lambda: f"github_pat_{text(ALNUM, 22)}_{text(ALNUM, 59)}",
    "GitLab": lambda: "glpat-" + text(WORD, 20),
    "GitLab runner": lambda: "glrt-" + text(WORD, 20),
    "Grafana service account": lambda: f"glsa_{text(ALNUM, 32)}_{text(HEX, 8)}",
    "Grafana Cloud": lambda: "glc_" + text(ALNUM, 60),
    "Slack bot": lambda: f"xoxb-{text(string.digits, 12)}-{text(string.digits, 12)}-{text(ALNUM, 24)}",
    "AWS key": lambda: "AKIA" + text(string.ascii_uppercase + string.digits, 16),
    "AWS temporary key": lambda: "ASIA" + text(string.ascii_uppercase + string.digits, 16),
    "New Relic": lambda: "NRAK-" + text(string.ascii_uppercase + string.digits, 27),
    "OpenAI": lambda: "sk-" + text(ALNUM, 48),
    "OpenAI project": lambda: "sk-proj-" + text(WORD, 64),
    "Anthropic": lambda: "sk-ant-api03-" + text(WORD, 93),
    "OpenRouter": lambda: "sk-or-v1-" + text(HEX, 64),
    "Google API": lambda: "AIza" + text(WORD, 35),
    "Google OAuth": lambda: "ya29." + text(WORD, 60),
    "Hugging Face": lambda: "hf_" + text(ALNUM, 34),
    "Groq": lambda: "gsk_" + text(ALNUM, 52),
    "xAI": lambda: "xai-" + text(ALNUM, 80),
    "Perplexity": lambda: "pplx-" + text(ALNUM, 48),
    "Replicate": lambda: "r8_" + text(ALNUM, 37),
    "NVIDIA": lambda: "nvapi-" + text(WORD, 64),
    "Stripe": lambda: "sk_live_" + text(ALNUM, 24),
    "Stripe restricted": lambda: "rk_test_" + text(ALNUM, 24),
    "SendGrid": lambda: f"SG.{text(WORD, 22)}.{text(WORD, 43)}",
    "npm": lambda: "npm_" + text(ALNUM, 36),
    "PyPI": lambda: "pypi-" + text(WORD, 120),
    "DigitalOcean": lambda: "dop_v1_" + text(HEX, 64),
    "Shopify": lambda: "shpat_" + text(HEX, 32),
    "Docker Hub": lambda: "dckr_pat_" + text(WORD, 27),
    "Vault": lambda: "hvs." + text(WORD, 90),
    "Databricks": lambda: "dapi" + text(HEX, 32),
    "Linear": lambda: "lin_api_" + text(ALNUM, 40),
    "Postman": lambda: f"PMAK-{text(HEX, 24)}-{text(HEX, 34)}",
    "Telegram": lambda: f"{text(string.digits, 10)}:AA{text(WORD, 33)}",
    "Atlassian": lambda: "ATATT3" + text(WORD, 180),
    "Azure AD": lambda: f"{text(ALNUM, 3)}8Q~{text(ALNUM, 34)}",
    "Mailgun": lambda: "key-" + text(HEX, 32),
    "Twilio": lambda: "SK" + text(HEX, 32),
    "JWT": lambda: f"eyJhbGciOiJIUzI1NiJ9.eyJ{text(WORD, 40)}.{text(WORD, 43)}",
    "private key": lambda: f"-----BEGIN RSA PRIVATE KEY-----\n{text(ALNUM, 64)}\n-----END RSA PRIVATE KEY-----",
    "Slack webhook": lambda: f"T{text(string.digits, 8)}/B{text(string.digits, 8)}/{text(ALNUM, 24)}",
}


def basic() -> str:
    return base64.b64encode(f"user-{text(HEX, 4)}:{text(ALNUM, 12)}".encode()).decode()


def _tokens() -> Iterator[tuple[str, str, str]]:
    frames = ("{}", "Bearer {}", "rejected: {}, see the log")
    for name, make in TOKENS.items():
        for frame in frames:
            secret = make()
            if name == "Slack webhook":
                secret_url = f"https://hooks.slack.com/services/{secret}"
                yield "http.url", frame.format(secret_url), secret
            else:
                yield "note", frame.format(secret), secret


def _urls() -> Iterator[tuple[str, str, str]]:
    for frame in (
        "https://reader:{}@metrics.example.net/api",
        "postgres://app:{}@db.example.net:5432/shop?sslmode=require",
        "redis://:{}@cache.example.net:6379/0",
        "mongodb+srv://app:{}@cluster.example.net",
        "https://{}@git.example.net/shop.git",
        "https://api.example.net/v1/items?api_key={}&page=2",
        "https://api.example.net/v1/items?page=2&access_token={}",
        "https://store.example.net/file?se=2026-01-01&sig={}",
        "https://s3.example.net/file?X-Amz-Signature={}",
        "Server=db.example.net;User Id=app;Password={};Encrypt=true",
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={};EndpointSuffix=core.example.net",
        "Endpoint=sb://bus.example.net/;SharedAccessKey={}",
    ):
        for _ in range(2):
            secret = text(ALNUM, 24)
            yield "url.full", frame.format(secret), secret


def _names() -> Iterator[tuple[str, str, str]]:
    for name in (
        *("http.request.header.authorization", "http.request.header.cookie", "http.response.header.set-cookie"),
        *(
            "http.request.header.x-api-key",
            "db.password",
            "user.password",
            "DB_PASSWD",
            "clientSecret",
            "client_secret",
        ),
        *("aws.secret_access_key", "auth.access_token", "refreshToken", "session.token", "private_key", "apiKey"),
        *(
            "oauth.bearer_token",
            "ssh.passphrase",
            "encryption-key",
            "x-csrf-token",
            "http.request.header.proxy-authorization",
        ),
        *("X-Auth-Token", "signing_key", "storage.account-key", "vault.credentials"),
    ):
        secret = text(string.ascii_lowercase, 12)
        yield name, secret, secret


def _cards() -> Iterator[tuple[str, str, str]]:
    for prefix, length in (("4", 16), ("51", 16), ("2300", 16), ("34", 15), ("6011", 16), ("36", 14), ("3530", 16)):
        number = card(prefix, length)
        yield "payment.reference", number, number
        number = card(prefix, length)
        yield "note", f"paid with {number}.", number
    for sign in " -":
        for prefix in ("4", "55"):
            number = grouped(card(prefix, 16), sign)
            yield "payment.reference", number, number


def _logins() -> Iterator[tuple[str, str, str]]:
    for _ in range(4):
        secret = basic()
        yield "proxy", f"Basic {secret}", secret
        secret = text(ALNUM, 40)
        yield "proxy", f"Bearer {secret}", secret


def shapes() -> list[tuple[str, str, str]]:
    """Return key, value, and the secret in it."""
    return [*_tokens(), *_urls(), *_names(), *_cards(), *_logins()]


_PLAIN = """\
gen_ai.token.type input|gen_ai.token.type output|http.route /v1/tokens/{token_id}|http.route /v1/keys/{key}
url.full https://api.example.net:8443/v1/chat?page_token=2|url.full http://127.0.0.1:9200/_bulk?refresh=true
url.full https://example.net/@user/posts/12|url.full http://proxy:8080/path@v2|url.full https://user@git.example.net/shop.git
url.full https://example.net/search?q=password|url.full /v1/items?sort=key&token=next|db.statement SELECT * FROM users WHERE password = ?
message Basic authentication is required|message Bearer authentication failed|message Token validation-in-progress|note token=input
gen_ai.request.model gpt-4-turbo-2024-04-09|gen_ai.request.model claude-3-5-sonnet-20241022|gen_ai.request.model sk-learn-classifier-v2
gen_ai.request.model meta-llama/Llama-3.1-8B-Instruct|gen_ai.response.id chatcmpl-9XyZabc123DEF456ghi|thread.name hf_worker_12
k8s.pod.name gateway-7d9f8b6c5d-x2x9q|k8s.secret.name db-credentials|k8s.node.name ip-10-0-12-34.eu-west-1.compute.internal
host.name shpool-12.example.net|host.name dapibus-3|host.name xox-12|user_agent.original Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101
container.image.name registry.example.net/team/gateway:1.4.2|aws.arn arn:aws:iam::123456789012:role/gateway|cloud.account.id 123456789012
metric.name highs_of_the_last_24_hours_total|metric.name npm_config_cache_requests_v2_total|metric.name r8_cache_hits_total
metric.name ghp_pool_connections|metric.name pypi-mirror-downloads|metric.name SKIPPED_ITEMS_TOTAL|metric.name sk_test_runner_duration
file.path /etc/ssl/private-ca.pem|file.path /var/run/secrets/kubernetes.io/serviceaccount/token|code.function test_password_is_required
password.policy strong|password_reset true|token.count 512|api.key.id 17|cookie.consent accepted|authorization.result allowed
secret.version 3|key primary|messaging.kafka.message.key order-17|db.redis.key user:17:profile|cache.key v1:en:home|partition.key 2026-03
error.type invalid_api_key|error.type TokenExpired|error.message the password must have 8 characters|error.message api_key= is missing
geo.coordinates 52.5200-13.4050|net.peer.ip 2001:db8::1|net.sock.addr 10.0.0.1:443|telephone +49 30 1234 5678 90|isbn 978-3-16-148410-0
build.id 20260302.1447|git.ref refs/tags/v2026.3.1|git.commit.subject Fix the token refresh|deployment.id deploy_20260302_144701
contact ops@example.net|mail.to Ada Lovelace <ada@example.org>|cron 0 4 * * 1-5|mac 00:1A:2B:3C:4D:5E
etag W/"33a64df551425fcc55e4d42a148795d9"
"""


def look_alikes() -> list[tuple[str, str]]:
    """Return keys and values that are no secret; e-mail addresses are none by default."""
    written = [
        (key, value)
        for line in _PLAIN.splitlines()
        for key, _, value in (item.partition(" ") for item in line.split("|"))
    ]
    generated: list[tuple[str, str]] = []
    for _ in range(11):
        unique = uuid.UUID(int=_chance.getrandbits(128), version=4)
        generated += [
            ("trace.id", text(HEX, 32)),
            ("span.id", text(HEX, 16)),
            ("git.commit", text(HEX, 40)),
            ("container.image.digest", f"sha256:{text(HEX, 64)}"),
            ("request.id", str(unique)),
            ("order", card("4", 16, valid=False)),
            ("order", card("37", 15, valid=False)),
            ("order", f"{_chance.randrange(10**12, 10**13)}"),
            ("time", f"17{text(string.digits, 11)}"),
            ("time", f"17{text(string.digits, 14)}"),
            ("time", f"17{text(string.digits, 17)}"),
            ("instance", f"i-{text(HEX, 17)}"),
        ]
    return [*written, *generated][:200]
