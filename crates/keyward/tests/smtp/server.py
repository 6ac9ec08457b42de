"""An SMTP server for the tests: aiosmtpd, which is nobody's idea of Keyward.

    server.py plain|starttls|smtps [PORT]

Says one JSON object a line: first {"port": N}, then each message that it took. Whoever signs in is
ada with the password "p:s/w@rd". What it does with a mail is told by the address it is for:
busyN-…@ is refused N times for now (451), never…@ for ever (550), echo…@ for ever with a part of
the message repeated (554).
"""

import asyncio
import json
import logging
import re
import ssl
import subprocess
import sys
import tempfile
from collections import Counter

from aiosmtpd.smtp import SMTP, AuthResult

# It warns of its own next release.
logging.disable(logging.WARNING)
tried = Counter()


def say(**what):
    print(json.dumps(what), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        tried[address] += 1
        busy = re.match(r"busy(\d+)", address)
        if busy and tried[address] <= int(busy[1]):
            return "451 4.3.0 come back later"
        if address.startswith("never"):
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        data = envelope.content.decode("ascii")
        if envelope.rcpt_tos[0].startswith("echo"):
            link = next(line for line in data.splitlines() if "token=" in line)
            return f"554 5.7.1 refused for {link}"
        login = session.auth_data.login.decode() if session.auth_data else None
        say(sender=envelope.mail_from, to=envelope.rcpt_tos, data=data, login=login,
            tls=session.ssl is not None or mode == "smtps", helo=session.host_name)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"ada" and data.password == b"p:s/w@rd"
    # Not handled: the server is to answer 535.
    return AuthResult(success=good, handled=False, auth_data=data if good else None)


def certificate():
    folder = tempfile.TemporaryDirectory()
    key, cert = f"{folder.name}/key.pem", f"{folder.name}/cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


async def main():
    context = None if mode == "plain" else certificate()
    starttls = mode == "starttls"

    def connection():
        return SMTP(
            Handler(), hostname="localhost", authenticator=authenticate, auth_required=mode != "plain",
            auth_require_tls=starttls, tls_context=context if starttls else None, require_starttls=starttls)

    loop = asyncio.get_running_loop()
    over = context if mode == "smtps" else None
    server = await loop.create_server(connection, "0.0.0.0", port, ssl=over, reuse_address=True)
    say(port=server.sockets[0].getsockname()[1])
    # Ends with whoever started it.
    await loop.run_in_executor(None, sys.stdin.read)


mode = sys.argv[1]
port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
asyncio.run(main())
