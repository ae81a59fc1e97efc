# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells one contact of Nagios what happened, by e-mail or webhook. What a check means and where the contact is reached stands in notify.json, which holds
secrets; nothing of that file is ever printed. It knows no check by itself. With --try FILE it only says whether it can read FILE."""

from __future__ import annotations

import argparse
import json
import smtplib
import ssl
import sys
import time
import urllib.error
import urllib.request
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import urlencode

CONFIGURATION = "/etc/nagios4/notify.json"
TIMEOUT = 8
ATTEMPTS = 3


def read(path):
    """The configuration; KeyError or ValueError when it is not one."""
    with open(path, encoding="utf-8") as file:
        configuration = json.load(file)
    for part in ("url", "ca", "smtp", "mail", "webhooks", "checks", "pings"):
        configuration[part]
    return configuration


def event(configuration, given):
    """What happened, as the fields of a webhook of format json."""
    name = given.check or configuration["pings"].get(given.host)
    check = next((check for check in configuration["checks"] if check["name"] == name), {})
    query = urlencode({"type": 2, "host": given.host, "service": given.check} if given.check else {"type": 1, "host": given.host})
    return {"source": "nagios", "type": given.type, "state": given.state, "host": given.host, "check": name or "",
            "severity": check.get("severity", "critical"), "output": given.output, "summary": check.get("summary", ""),
            "runbook": check.get("runbook", ""), "labels": check.get("labels", {}),
            "url": f"{configuration['url'].rstrip('/')}/cgi-bin/extinfo.cgi?{query}" if configuration["url"] else ""}


def subject(happened):
    """One line, such as "PROBLEM: NginxUnit on target1 is CRITICAL"."""
    what = f"{happened['check']} on {happened['host']}" if happened["check"] else happened["host"]
    return f"{happened['type']}: {what} is {happened['state']}"


def text(happened):
    """All that a person needs, a line each."""
    lines = (subject(happened), happened["summary"], happened["output"] and f"Check says: {happened['output']}",
             happened["runbook"] and f"What to do: {happened['runbook']}", happened["url"] and f"In Nagios: {happened['url']}")
    return "\n".join(line for line in lines if line)


def trust(configuration):
    """The CAs of the system, and the site's own beside them."""
    context = ssl.create_default_context()
    if configuration["ca"]:
        context.load_verify_locations(configuration["ca"])
    return context


def mail(configuration, address, happened):
    """Hand a mail to the mail server."""
    smtp = configuration["smtp"]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = smtp["from"], address, subject(happened)
    message["Date"], message["Message-ID"] = formatdate(localtime=True), make_msgid(domain=smtp["from"].rpartition("@")[2])
    message.set_content(text(happened) + "\n")
    secure = {"context": trust(configuration)} if smtp["tls"] == "tls" else {}
    with (smtplib.SMTP_SSL if secure else smtplib.SMTP)(smtp["address"], smtp["port"], timeout=TIMEOUT, **secure) as server:
        if smtp["tls"] == "starttls":
            server.starttls(context=trust(configuration))
        if smtp["user"]:
            server.login(smtp["user"], smtp["password"])
        server.send_message(message)


def post(configuration, webhook, happened):
    """POST to a webhook."""
    body = happened if webhook.get("format") == "json" else {"text": text(happened)}
    request = urllib.request.Request(webhook["url"], json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=trust(configuration)):
        pass


def main():
    """Nagios writes into its log what is printed here, when it ends with an error."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--try", dest="candidate")
    for name in ("to", "type", "host", "check", "state", "output"):
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_args()
    try:
        configuration = read(given.candidate or CONFIGURATION)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"the configuration cannot be read: {type(error).__name__}"
    if given.candidate:
        return 0
    happened = event(configuration, given)
    webhook = next((webhook for webhook in configuration["webhooks"] if webhook["name"] == given.to), None)
    if not webhook and given.to not in configuration["mail"]:
        return f"{given.to} is neither in nagios_contacts nor in nagios_webhooks"
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(2)
        try:
            if webhook:
                post(configuration, webhook, happened)
            else:
                mail(configuration, configuration["mail"][given.to], happened)
            return 0
        except urllib.error.HTTPError as error:
            failed = f"HTTP status {error.code}"
        except (OSError, smtplib.SMTPException, ValueError) as error:
            # The words of an error may hold the URL or what was sent.
            failed = type(error).__name__
    return f"{given.to} was not told of {given.check or given.host} after {ATTEMPTS} attempts: {failed}"


if __name__ == "__main__":
    sys.exit(main())
