# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all list modules share in their documentation: connection, state, results. Knows no product but its environment prefix."""

from __future__ import annotations


class ModuleDocFragment:
    """What to do about errors, and in sections of their own the connection and the state of a list."""

    DOCUMENTATION = r"""
options:
  on_error:
    description:
      - What to do after the server refused one item. V(stop) skips the rest, V(continue) goes on. The task fails either way.
      - With V(stop) a mistake that can be seen beforehand stops the task before anything is written. With V(continue) the items without a mistake
        are written and the others named, each with its reason.
    type: str
    choices: [stop, continue]
    default: stop
  assume_empty:
    description:
      - In check mode, do not ask the server, which an earlier task of this run would install, but plan against nothing there, with a warning.
      - Has no effect without check mode.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and tell what would change; no request that could write is sent.
    support: full
  diff_mode:
    description: Shows per object the options that change, secrets masked.
    support: full
"""

    LIST = r"""
options:
  state:
    description:
      - V(present) makes and changes, V(absent) deletes the listed items, V(gathered) reads them; without a list, what is in the places that are named,
        or all that can be seen.
    type: str
    choices: [present, absent, gathered]
    default: present
"""

    # of modules that manage no list, too
    CONNECTION = r"""
options:
  ca_path:
    description: File or folder of PEM certificates to trust instead of the system's.
    type: path
  validate_certs:
    description: Whether to check the server's certificate.
    type: bool
    default: true
  client_cert:
    description: PEM file with the client's certificate.
    type: path
  client_key:
    description: PEM file with the key of O(client_cert), if it is not in that file.
    type: path
  timeout:
    description: Seconds to wait for a connection and for the next bytes of an answer.
    type: int
    default: 60
  retries:
    description: Further tries of a read after status 429, 502, 503, 504 or a lost connection. Writes are never repeated.
    type: int
    default: 4
  proxy:
    description: URL of an HTTP proxy. Without it the usual environment variables count.
    type: str
"""
