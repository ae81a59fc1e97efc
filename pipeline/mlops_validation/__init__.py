# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Model validation as a pytest plugin, loaded with `-p mlops_validation.plugin`; docs/validation.md says what it checks."""
