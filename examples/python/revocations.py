"""What Keyward revoked, as its feed tells it. Silent for two seconds, it is not to be believed."""
import json, os, random, threading, time, urllib.request
from datetime import datetime

SERVER = os.environ.get("KEYWARD_URL") or os.environ["KEYWARD_ISSUER"]
AS_SERVICE = {"Authorization": "Bearer " + os.environ.get("KEYWARD_SERVICE_KEY", "")}
revoked: dict[tuple, tuple[float, int]] = {}  # what: until when it matters, the least version still good
heard_at, position = float("-inf"), ""

class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None

# Without TLS a proxy would see the service key, and could make keys.
web = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({} if SERVER.startswith("http:") else None))

def is_fresh():
    return time.monotonic() - heard_at <= 2

def take(event):
    entry = json.loads(event["data"])
    ("key", "session", "generation", "user", "roles").index(entry["kind"])  # another breaks the connection off
    what = tuple(entry[name] for name in ("kind", "sid", "sub", "kid", "gen") if name in entry)
    until, version = datetime.fromisoformat(entry["until"]).timestamp(), entry.get("uv", entry.get("rv", 0))
    revoked[what] = tuple(map(max, revoked.get(what, (0, 0)), (until, version)))

def hear(feed):
    global heard_at, position
    is_ready, event = False, {}
    while line := feed.readline(65536).decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name:
            event[name] = value
            continue
        if event.get("event") == "revocation":
            take(event)
        is_ready = is_ready or event.get("event") == "ready"
        if is_ready and event.get("event") == "heartbeat":  # between the two comes what was missed
            heard_at = time.monotonic()
        position, event = event.get("id", position), {}

def listen():
    while True:
        headers = AS_SERVICE | ({"Last-Event-ID": position} if position else {})
        try:
            with web.open(urllib.request.Request(SERVER + "/api/auth/revocations", headers=headers), timeout=5) as feed:
                hear(feed)
        except Exception as error:
            print("revocations:", error, flush=True)
        time.sleep(random.uniform(0.25, 1))

def forget():
    while True:
        time.sleep(60)
        for what, (until, _) in list(revoked.items()):
            if until <= time.time() and what[0] != "key":  # whoever stole a key dates tokens as they like
                del revoked[what]

threading.Thread(target=listen, daemon=True).start()
threading.Thread(target=forget, daemon=True).start()
