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

web = urllib.request.build_opener(NoRedirect)

def is_fresh():
    return time.monotonic() - heard_at <= 2

def take(event):
    entry = json.loads(event["data"])
    what = tuple(entry[name] for name in ("kind", "sid", "sub", "kid", "gen") if name in entry)
    until, version = datetime.fromisoformat(entry["until"]).timestamp(), entry.get("uv", entry.get("rv", 0))
    known = revoked.get(what, (0, 0))
    revoked[what] = max(known[0], until), max(known[1], version)

def hear(feed):
    global heard_at, position
    is_ready, is_live, event = False, False, {}
    while line := feed.readline(65536).decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name:
            event[name] = value
            continue
        if event.get("event") == "revocation":
            take(event)
        is_ready = is_ready or event.get("event") == "ready"
        is_live = is_live or is_ready and event.get("event") == "heartbeat"  # between the two comes what was missed
        if is_live:
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
        for what in [what for what, (until, _) in list(revoked.items()) if until <= time.time()]:
            del revoked[what]

threading.Thread(target=listen, daemon=True).start()
threading.Thread(target=forget, daemon=True).start()
