"""Check of what a deployment to Cloudflare Workers by CI would need; andon itself deploys nothing."""

from andon.line.doctor.check import Check, Finding
from andon.line.doctor.forge import address_of, ask
from andon.line.doctor.ground import Ground, NotHere

_FILES = ("wrangler.jsonc", "wrangler.json", "wrangler.toml")
_VARIABLES = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
_API = "https://api.cloudflare.com/client/v4"


def _deploy(ground: Ground) -> Finding:
    there = sorted(path for path in ground.files.paths if path.rpartition("/")[2] in _FILES)
    if not there:
        raise NotHere("the commit has no wrangler configuration: nothing here is deployed to Cloudflare Workers")
    lacking = [name for name in _VARIABLES if not ground.environment.get(name)]
    if lacking:
        told = f"{there[0]} is committed; {' and '.join(lacking)} are not set here"
        step = "set them as masked variables of CI; a protected one reaches protected branches alone"
        return Finding("note", told, step)
    if not ground.call:
        raise NotHere("the token is set; it is tried on demand: andon doctor deploy --call")
    address = address_of(ground.environment, "CLOUDFLARE_API_BASE_URL", _API)
    token = {"Authorization": f"Bearer {ground.environment[_VARIABLES[0]].strip()}"}
    answer = ask(f"{address}/user/tokens/verify", token, _VARIABLES[0])
    if isinstance(answer, Finding):
        return answer
    return Finding("ok", f"{there[0]} is committed, and Cloudflare takes the token", "", "taken")


CHECKS = (Check("deploy.cloudflare", "look what a deployment to Cloudflare Workers would need", _deploy, limit=12.0),)
