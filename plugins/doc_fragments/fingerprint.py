# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules whose secrets cannot be read back share in their documentation. Knows no product."""

from __future__ import annotations


class ModuleDocFragment:
    """When to send a secret that is there, and the key of its fingerprint."""

    DOCUMENTATION = r"""
options:
  update_secret:
    description:
      - The server never shows a secret, so this says when to send that of an object that is there.
      - V(on_create) never does, unless the product loses the secret with any other change, V(always) does in every run, which then always reports a change.
      - V(when_changed) compares a fingerprint that the module keeps at the end of the object's description, such as C([secret 0123456789abcdef]), and
        sends the secret when it is no longer the same. An object without a fingerprint gets the secret and one.
    type: str
    choices: [on_create, always, when_changed]
    default: on_create
  fingerprint_key:
    description:
      - Key of the fingerprints (HMAC-SHA256, of which 64 bits are kept), any long random text from the site's vault. With it a new object gets a fingerprint.
      - Needed by O(update_secret=when_changed). With another key every secret is sent once more.
    type: str
"""
