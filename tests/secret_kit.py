"""Made-up secrets of many kinds and lines that hold none, for the suites of what is shown and published.

Nothing here is a secret: every value is drawn from a seed, and prefixes stand apart from what follows them, so that
scanners of hosting sites find none in this file either.
"""

import base64
import json
import random
import string
from collections.abc import Callable, Mapping

_ALNUM = string.ascii_letters + string.digits
_LOWER = string.ascii_lowercase + string.digits
_UPPER = string.ascii_uppercase + string.digits
_HEX = "0123456789abcdef"
_URL64 = _ALNUM + "-_"
_B64 = _ALNUM + "+/"


def _draw(random: random.Random, letters: str, size: int) -> str:
    return "".join(random.choice(letters) for _ in range(size))


def _jwt(r: random.Random) -> str:
    def part(data: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    head = part({"alg": "HS256", "typ": "JWT"})
    return f"{head}.{part({'sub': _draw(r, _LOWER, 8), 'iat': r.randrange(10**9)})}.{_draw(r, _URL64[:-2], 43)}"


def _pem(r: random.Random, label: str) -> str:
    lines = [_draw(r, _B64, 64) for _ in range(4)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


Draw = Callable[[random.Random], str]


def _of(prefix: str, rest: str, letters: str, size: int) -> Draw:
    return lambda r: prefix + rest + _draw(r, letters, size)


TOKENS: Mapping[str, Draw] = {
    "aws-access-key": _of("AK", "IA", _UPPER, 16),
    "aws-session-key": _of("AS", "IA", _UPPER, 16),
    "github-classic": _of("gh", "p_", _ALNUM, 36),
    "github-app": _of("gh", "s_", _ALNUM, 36),
    "github-fine-grained": _of("github", "_pat_", _ALNUM, 82),
    "gitlab": _of("gl", "pat-", _ALNUM, 20),
    "google-api": _of("AI", "za", _ALNUM, 35),
    "google-oauth": _of("ya", "29.", _ALNUM, 60),
    "npm": _of("np", "m_", _ALNUM, 36),
    "pypi": _of("py", "pi-AgEIcHlwaS5vcmc", _ALNUM, 90),
    "openai": lambda r: "sk" + "-" + _draw(r, _ALNUM, 20) + "T3Blbk" + "FJ" + _draw(r, _ALNUM, 20),
    "openai-project": _of("sk", "-proj-", _ALNUM, 74),
    "anthropic": _of("sk", "-ant-api03-", _ALNUM, 93),
    "hugging-face": _of("h", "f_", string.ascii_letters, 34),
    "digitalocean": _of("dop", "_v1_", _HEX, 64),
    "slack-bot": lambda r: "xo" + "xb-" + _draw(r, string.digits, 12) + "-" + _draw(r, _ALNUM, 24),
    "slack-webhook": lambda r: (
        "https://hooks.slack"
        + ".com/services/T"
        + _draw(r, _UPPER, 8)
        + "/B"
        + _draw(r, _UPPER, 8)
        + "/"
        + _draw(r, _ALNUM, 24)
    ),
    "stripe-live": _of("sk", "_live_", _ALNUM, 24),
    "stripe-test": _of("rk", "_test_", _ALNUM, 24),
    "sendgrid": lambda r: "S" + "G." + _draw(r, _ALNUM, 22) + "." + _draw(r, _ALNUM, 43),
    "twilio": _of("S", "K", _HEX, 32),
    "mailchimp": lambda r: _draw(r, _HEX, 32) + "-us" + str(r.randrange(1, 20)),
    "telegram": lambda r: str(r.randrange(10**8, 10**9)) + ":" + "AA" + _draw(r, _ALNUM, 33),
    "discord": lambda r: "M" + _draw(r, _ALNUM, 23) + "." + _draw(r, _ALNUM, 6) + "." + _draw(r, _ALNUM, 27),
    "square": _of("sq0", "csp-", _ALNUM, 43),
    "shopify": _of("shp", "at_", _HEX, 32),
    "databricks": _of("da", "pi", _HEX, 32),
    "vault": _of("hv", "s.", _ALNUM, 90),
    "jwt": _jwt,
    "private-key": lambda r: _pem(r, "RSA PRIVATE" + " KEY"),
    "openssh-key": lambda r: _pem(r, "OPENSSH PRIVATE" + " KEY"),
}
"""Secrets that show by their shape alone."""

NAMED: Mapping[str, tuple[str, Draw]] = {
    "aws-secret": ("AWS_SECRET_ACCESS_KEY", lambda r: _draw(r, _B64, 40)),
    "azure-storage": ("AccountKey", lambda r: _draw(r, _B64, 86) + "=="),
    "heroku": ("HEROKU_API_KEY", lambda r: "-".join(_draw(r, _HEX, size) for size in (8, 4, 4, 4, 12))),
    "datadog": ("DD_API_KEY", lambda r: _draw(r, _HEX, 32)),
    "django": ("SECRET_KEY", lambda r: _draw(r, _ALNUM + "!@#%^&*", 50)),
    "client-secret": ("client_secret", lambda r: _draw(r, _ALNUM, 32)),
    "auth-token": ("auth_token", lambda r: _draw(r, _ALNUM, 40)),
    "password": ("DB_PASSWORD", lambda r: "p" + _draw(r, _ALNUM + "!@#%", 13) + "7"),
    "short-password": ("password", lambda r: "hunter" + str(r.randrange(10, 99))),
}
"""Secrets that show by their names: the name, and how to draw one."""

CONTEXTS: Mapping[str, Callable[[str, str], str]] = {
    "environment": lambda name, value: f"export {name}={value}",
    "json": lambda name, value: f'  "{name}": "{value}",',
    "code": lambda name, value: f'{name} = "{value}"  # pragma: allowlist secret',
}

PLAIN_CONTEXTS: Mapping[str, Callable[[str], str]] = {
    "log": lambda value: f"2026-11-24 18:00:01 INFO sent request with {value} to upstream",
    "quoted": lambda value: f"client = Client('{value}')",
    "colon": lambda value: f"value: {value}",
    "url": lambda value: f"GET https://service.invalid/v1/items?page=2&x={value}&y=1",
}


def secret_lines(seed: int = 1) -> list[tuple[str, str, str]]:
    """Return (kind and context, the secret, text that holds it)."""
    r = random.Random(seed)  # noqa: S311
    lines = []
    for kind, draw in TOKENS.items():
        for context, place in PLAIN_CONTEXTS.items():
            value = draw(r)
            lines.append((f"{kind} in {context}", value, place(value)))
    for kind, (name, draw) in NAMED.items():
        for context, within in CONTEXTS.items():
            value = draw(r)
            lines.append((f"{kind} in {context}", value, within(name, value)))
    return lines


def benign_lines(seed: int = 2) -> list[str]:
    """Return lines that hold no secret though much in them looks like one."""
    r = random.Random(seed)  # noqa: S311
    lines = []
    for _ in range(8):
        hex40, hex64, hex32 = (_draw(r, _HEX, size) for size in (40, 64, 32))
        uuid = "-".join(_draw(r, _HEX, size) for size in (8, 4, 4, 4, 12))
        b64 = base64.b64encode(r.randbytes(64)).decode()
        lines += [
            f"commit {hex40}",
            f"{hex40[:7]} Fix the token refresh in auth",
            f"index {hex40[:7]}..{hex32[:7]} 100644",
            f'      "integrity": "sha512-{b64}",',
            f"    --hash=sha256:{hex64}",
            f"request_id={uuid} status=200",
            f'"id": "{uuid}"',
            f"idempotency-key: {uuid}",
            f"FROM python@sha256:{hex64}",
            f"md5 (file.tar.gz) = {hex32}",
            f"{hex64}  dist/andon-0.1.0.tar.gz",
            f'etag: W/"{hex32}"',
            f'<script src="a.js" integrity="sha384-{b64[:64]}"></script>',
            f"traceparent: 00-{hex32}-{hex32[:16]}-01",
            f"cache key {hex64} hit",
            f"data:image/png;base64,{b64}",
            f"next_page_token = '{b64[:24]}'",
        ]
    return [*lines, *_BENIGN]


_BENIGN = r"""
password = get_password()
password = os.environ["DB_PASSWORD"]
password: str
password: str = Field(min_length=8)
def login(username: str, password: str) -> Token:
API_KEY=${API_KEY}
api_key: <your-api-key>
OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxx
OPENAI_API_KEY=your-key-here
export TOKEN=$(cat token.txt)
"token": "string"
password: "********"
password=changeme
secret: ${{ secrets.NPM_TOKEN }}
GITHUB_TOKEN: ${{ secrets.GITHUB_TOKEN }}
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
postgres://user:password@localhost:5432/app
redis://localhost:6379/0
https://user:${PASSWORD}@example.org/simple
git@github.com:owner/repository.git
max_tokens=4096
tokens: 123456
total_tokens=18234
tokenizer = AutoTokenizer.from_pretrained("gpt2")
token_type: bearer
token_url = "https://auth.example.org/oauth/token"
secret_name: app-tls-prod-1
secretKeyRef:
  name: db-credentials
  key: password
primary_key=True
sort_key: created_at
public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDk2Yd6ZJGOL9L4mWDxYTrF7Vd1 dev@laptop
csrf_token = generate_csrf()
if password == confirm_password:
assert user.check_password("wrong")
<input type="password" name="password1" id="id_password1">
<label for="password">Password:</label>
{"error": "invalid password", "code": 401}
Enter password:
E   AssertionError: assert 'token' in {}
tests/test_auth.py::test_password_reset PASSED
tests/test_tokens.py::test_refresh[token-expired-1] FAILED
src/auth/token_service.py:12:from app.secrets import load_secret
kubectl get secret app-tls -o yaml
The password must have at least 12 characters and 1 digit.
bearer authentication is required
Authorization: Bearer <token>
Authorization: Bearer $TOKEN
basic authentication-scheme
curl -u "$USER:$PASS" https://example.org
docker run -u 1000:1000 image
passed: 38, failed: 2
3 passed in 0.12s
compass=north-1
passenger: seat-22b-window
keyboard: qwerty-us-2
secretary = "anna.schmidt2"
password_hash = "pbkdf2_sha256"
password_hash: $2b$12$KIXQ0zr0vJm3Vv1cV1mVUe1mJtq2q8J4Yb8k1m0m8v8C7a6b5c4d3
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
hashlib.sha256(password.encode()).hexdigest()
token = request.headers["Authorization"].removeprefix("Bearer ")
token = secrets.token_urlsafe(32)
token = self.tokens.pop()
key = f"user:{user_id}:session"
cache_key = "v2:list:items:2026-11-24"
"keywords": ["secret", "token", "password"]
class="sk-fading-circle sk-circle12"
task-runner-for-background-jobs-v2
--text-decoration-color: var(--accent-2)
-----BEGIN PRIVATE KEY-----
if "-----BEGIN RSA PRIVATE KEY-----" in text:
café 日本語 שלום пароль: секрет
пароль и токен хранятся отдельно
パスワード: 設定してください
version = "2.31.0.post1"
2026-11-24T18:00:01.123456Z INFO server.start pid=4242
0x7ffd5e8a9b10 <main+32>
/usr/lib/python3.11/site-packages/pkg/__init__.py:120
sha256sum dist/*.whl
uuid4().hex
ETAG_PATTERN = re.compile(r'W/"[0-9a-f]{32}"')
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
4b825dc642cb6eb9a060e54bf8d69288fbee4904
go.sum h1:7RVn0k1gkHWPLwr1b8lJXv7gT3b0a4rM2Qy1vPQf1QE=
github.com/pkg/errors v0.9.1 h1:FEBLx1zS214owpjy7qsBeixbURkuhQAwrK5UwLGTwt4=
sha512-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/abcdefghijklmnopqrstuv==
arn:aws:iam::123456789012:role/service-role/app
AC_CONFIG_HEADERS([config.h])
AP_DECLARE(int) ap_process_request
com.example.application.SomeVeryLongClassName$InnerClass
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
postgresql+psycopg://postgres:postgres@db/test
pip install --index-url https://pypi.example.org/simple
login as root with your password
user = "alice", token = None
const token = await getToken();
let apiKey = process.env.API_KEY;
apiKey: config.get('apiKey'),
password?: string;
private readonly tokenService: TokenService,
fn token(&self) -> &str {
var ErrInvalidToken = errors.New("invalid token")
token := r.Header.Get("X-Token")
[redacted: github-token]
password = [redacted: named-secret]
""".strip("\n").split("\n")
