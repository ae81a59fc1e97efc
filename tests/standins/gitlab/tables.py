# Copyright: (c) 2026, the mlops.onprem developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What GitLab's objects are made of: the attributes of each kind, their types, what they start with, since when and in which edition they exist."""

from __future__ import annotations

import re
from typing import NamedTuple

PATH = re.compile(r"(?!.*\.(git|atom)$)[a-zA-Z0-9_][a-zA-Z0-9_.-]*(?<![.-])", re.I)
GROUP_NAME = re.compile(r"[\w(][\w().+& '-]*")
RESERVED_PROJECTS = {"blob", "tree", "raw", "new", "edit", "files", "wikis", "badges", "create", "commits", "blame", "builds", "preview", "refs", "update"}
RESERVED_GROUPS = {"admin", "api", "groups", "projects", "users", "help", "search", "explore", "profile", "dashboard", "public", "assets", "files", "import",
                   "oauth", "uploads", "login", "user", "v2", "-"}
BAD_PATH = "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-', end in '.git' or end in '.atom'"
TAKEN = ["has already been taken"]
VISIBILITY = ("private", "internal", "public")
FEATURE = ("disabled", "private", "enabled")
BRANCH_LEVELS, TAG_LEVELS = (0, 30, 40, 60), (0, 30, 40, 60)
LEVEL_TEXT = {0: "No one", 30: "Developers + Maintainers", 40: "Maintainers", 60: "Administrators"}
DEFAULT_PROTECTION = {"allowed_to_push": [{"access_level": 40}], "allow_force_push": False, "allowed_to_merge": [{"access_level": 40}],
                      "developer_can_initial_push": False}
TOKEN_SCOPES = ("api", "read_api", "create_runner", "manage_runner", "k8s_proxy", "self_rotate", "read_repository", "write_repository",
                "read_registry", "write_registry", "read_observability", "write_observability", "ai_features")


class Field(NamedTuple):
    """An attribute. type: str, int, bool, list, dict, "date" or a tuple of choices; given: where it may be given (c at creation, u in an update)."""

    type: object = str
    default: object = None
    given: str = "cu"
    since: tuple = ()
    ee: bool = False
    shown: bool = True


def fields(names, *about, **more):
    """The same Field under several names."""
    return {name: Field(*about, **more) for name in names.split()}


# Off or on as a whole, and the level that says the same more finely: {old name: new name}
PROJECT_FEATURES = {f"{old}_enabled": f"{new}_access_level" for old, new in (
    ("issues", "issues"), ("merge_requests", "merge_requests"), ("wiki", "wiki"), ("jobs", "builds"), ("snippets", "snippets"),
    ("container_registry", "container_registry"))}
PROJECT_ALIASES = {"tag_list": "topics", "public_builds": "public_jobs"}

PROJECT = {
    **fields("name path description", str),
    "visibility": Field(VISIBILITY),
    "default_branch": Field(str),
    "topics": Field(list, ()),
    "tag_list": Field(list, shown=False),
    **fields(" ".join(PROJECT_FEATURES) + " public_builds emails_disabled", bool, shown=False),
    **fields(
        "issues_access_level repository_access_level merge_requests_access_level forking_access_level wiki_access_level builds_access_level"
        " snippets_access_level analytics_access_level container_registry_access_level releases_access_level environments_access_level"
        " feature_flags_access_level infrastructure_access_level monitor_access_level model_experiments_access_level model_registry_access_level",
        FEATURE, "enabled"),
    "security_and_compliance_access_level": Field(FEATURE, "private"),
    "pages_access_level": Field((*FEATURE, "public"), "private"),
    **fields(
        "emails_enabled warn_about_potentially_unwanted_characters enforce_auth_checks_on_uploads shared_runners_enabled group_runners_enabled"
        " lfs_enabled public_jobs request_access_enabled printing_merge_request_link_enabled auto_devops_enabled autoclose_referenced_issues"
        " packages_enabled remove_source_branch_after_merge", bool, True),
    **fields(
        "service_desk_enabled resolve_outdated_diff_discussions only_allow_merge_if_pipeline_succeeds allow_merge_on_skipped_pipeline"
        " only_allow_merge_if_all_discussions_are_resolved mr_default_target_self", bool, False),
    **fields("show_default_award_emojis show_diff_preview_in_email", bool, True, shown=False),
    **fields("suggestion_commit_message merge_commit_template squash_commit_template issue_branch_template", str),
    "ci_config_path": Field(str, ""),
    "build_git_strategy": Field(("fetch", "clone"), "fetch"),
    "build_timeout": Field(int, 3600),
    "auto_cancel_pending_pipelines": Field(("disabled", "enabled"), "enabled"),
    "auto_devops_deploy_strategy": Field(("continuous", "manual", "timed_incremental"), "continuous"),
    "merge_method": Field(("ff", "rebase_merge", "merge"), "merge"),
    "squash_option": Field(("never", "always", "default_on", "default_off"), "default_off"),
    "repository_storage": Field(str, "default"),
    "container_expiration_policy_attributes": Field(dict, shown=False),
    "avatar": Field(str, shown=False),
    # at creation only
    **fields("import_url template_name", str, None, "c", shown=False),
    **fields("namespace_id template_project_id group_with_project_templates_id", int, None, "c", shown=False),
    **fields("initialize_with_readme use_custom_template", bool, None, "c", shown=False),
    "repository_object_format": Field(("sha1", "sha256"), "sha1", "c", (16, 9)),
    # in an update only
    "ci_default_git_depth": Field(int, 20, "u"),
    **fields(
        "keep_latest_artifact ci_forward_deployment_enabled ci_forward_deployment_rollback_allowed ci_separated_caches"
        " ci_allow_fork_pipelines_to_run_in_parent_project", bool, True, "u"),
    "restrict_user_defined_variables": Field(bool, False, "u"),
    "ci_pipeline_variables_minimum_override_role": Field(("no_one_allowed", "developer", "maintainer", "owner"), "developer", "u", (17, 1)),
    "ci_push_repository_for_job_token_allowed": Field(bool, False, "u", (17, 2)),
    **fields("ci_delete_pipelines_in_seconds", int, None, "u", (17, 9)),
    "ci_id_token_sub_claim_components": Field(list, ("project_path", "ref_type", "ref"), "u", (17, 10)),
    "max_artifacts_size": Field(int, None, "u", (17, 11)),
    # EE
    **fields("approvals_before_merge", int, 0, ee=True),
    **fields("mirror mirror_trigger_builds only_allow_merge_if_all_status_checks_passed prevent_merge_without_jira_issue", bool, False, ee=True),
    "external_authorization_classification_label": Field(str, ee=True),
    "requirements_access_level": Field(FEATURE, "enabled", ee=True),
    **fields("mirror_user_id fallback_approvals_required", int, None, "u", ee=True, shown=False),
    **fields("only_mirror_protected_branches mirror_overwrites_diverged_branches", bool, False, "u", ee=True),
    **fields("merge_pipelines_enabled merge_trains_enabled merge_trains_skip_train_allowed allow_pipeline_trigger_approve_deployment", bool, False, "u",
             ee=True),
    **fields("issues_template merge_requests_template ci_restrict_pipeline_cancellation_role", str, None, "u", ee=True),
    "mirror_branch_regex": Field(str, None, "u", ee=True, shown=False),
    # read only
    **fields("archived", bool, False, ""),
    **fields("ci_job_token_scope_enabled", bool, False, ""),
    **fields("star_count forks_count open_issues_count", int, 0, ""),
    **fields("avatar_url readme_url import_error import_type runner_token_expiration_interval", str, None, ""),
    "import_status": Field(str, "none", ""),
}
# What `simple=true` leaves, and every answer has
PROJECT_BASIC = ("id", "description", "name", "path", "path_with_namespace", "created_at", "default_branch", "topics", "forks_count", "avatar_url",
                 "star_count", "last_activity_at", "readme_url")

GROUP = {
    **fields("name path", str),
    "description": Field(str, ""),
    "visibility": Field(VISIBILITY),
    **fields("parent_id", int, None, "c"),
    "organization_id": Field(int, 1, "c", (17,)),
    "avatar": Field(str, shown=False),
    **fields("share_with_group_lock require_two_factor_authentication mentions_disabled", bool, False),
    **fields("lfs_enabled request_access_enabled emails_enabled", bool, True),
    "emails_disabled": Field(bool, shown=False),
    "show_diff_preview_in_email": Field(bool, True, shown=False),
    "two_factor_grace_period": Field(int, 48),
    "project_creation_level": Field(("noone", "owner", "maintainer", "developer", "administrator"), "developer"),
    "subgroup_creation_level": Field(("owner", "maintainer"), "maintainer"),
    "auto_devops_enabled": Field(bool, None),
    "default_branch": Field(str, None, since=(16, 11)),
    "default_branch_protection": Field((0, 1, 2, 3, 4), 2),
    "default_branch_protection_defaults": Field(dict, DEFAULT_PROTECTION, since=(17,)),
    "shared_runners_setting": Field(("disabled_and_unoverridable", "disabled_and_overridable", "enabled"), "enabled"),
    "enabled_git_access_protocol": Field(("ssh", "http", "all"), shown=False),
    "prevent_sharing_groups_outside_hierarchy": Field(bool, False, "u", shown=False),
    **fields("math_rendering_limits_enabled", bool, True, "u"),
    **fields("lock_math_rendering_limits_enabled", bool, False, "u"),
    "max_artifacts_size": Field(int, None, "u", (17, 5)),
    "avatar_url": Field(str, None, ""),
    # EE
    **fields("membership_lock", bool, False, ee=True, shown=False),
    **fields("ldap_cn", str, None, ee=True),
    **fields("ldap_access", int, None, ee=True),
    "wiki_access_level": Field(FEATURE, "enabled", ee=True),
    **fields("shared_runners_minutes_limit extra_shared_runners_minutes_limit", int, None, ee=True, shown=False),
    **fields("file_template_project_id", int, None, "u", ee=True),
    **fields("prevent_forking_outside_group service_access_tokens_expiration_enforced", bool, None, "u", ee=True, shown=False),
    **fields("ip_restriction_ranges allowed_email_domains_list", str, None, "u", ee=True, shown=False),
}
# Only in the answer about one group
GROUP_DETAIL = ("enabled_git_access_protocol", "prevent_sharing_groups_outside_hierarchy", "membership_lock", "shared_runners_minutes_limit",
                "extra_shared_runners_minutes_limit", "prevent_forking_outside_group", "service_access_tokens_expiration_enforced",
                "ip_restriction_ranges", "allowed_email_domains_list")

USER = {
    **fields("email name username", str),
    "password": Field(str, shown=False),
    **fields("reset_password force_random_password skip_confirmation", bool, False, "c", shown=False),
    "skip_reconfirmation": Field(bool, False, "u", shown=False),
    **fields("skype linkedin twitter discord website_url location pronouns organization bio", str, ""),
    **fields("public_email commit_email note", str),
    "projects_limit": Field(int, 100000),
    "admin": Field(bool, False, shown=False),
    "can_create_group": Field(bool, True),
    **fields("external private_profile", bool, False),
    "view_diffs_file_by_file": Field(bool, False, shown=False),
    "theme_id": Field(int, 3),
    "color_scheme_id": Field(int, 1),
    **fields("avatar extern_uid provider", str, shown=False),
    **fields("shared_runners_minutes_limit extra_shared_runners_minutes_limit", int, None, ee=True),
    "auditor": Field(bool, False, ee=True, shown=False),
    "group_id_for_saml": Field(int, ee=True, shown=False),
    **fields("job_title", str, "", ""),
    **fields("last_sign_in_at current_sign_in_at last_activity_on confirmed_at", str, None, ""),
    **fields("two_factor_enabled", bool, False, ""),
}
USER_BASIC = ("id", "username", "name", "state", "locked", "avatar_url", "web_url")
USER_PUBLIC = (*USER_BASIC, "created_at", "bio", "location", "public_email", "skype", "linkedin", "twitter", "discord", "website_url", "organization",
               "job_title", "pronouns", "bot")

_ANY_HOOK = {
    "url": Field(str),
    **fields("name description", str, None, since=(17, 1)),
    "enable_ssl_verification": Field(bool, True),
    **fields("tag_push_events merge_requests_events", bool, False),
    "push_events_branch_filter": Field(str, None),
    "branch_filter_strategy": Field(("wildcard", "regex", "all_branches"), "wildcard"),
    "token": Field(str, shown=False),
    "signing_token": Field(str, since=(19,), shown=False),
    "url_variables": Field(list, shown=False),
    "custom_headers": Field(list, since=(17, 1), shown=False),
}
PROJECT_HOOK = {
    **_ANY_HOOK,
    "push_events": Field(bool, True),
    "repository_update_events": Field(bool, False, ""),
    **fields(
        "issues_events confidential_issues_events note_events confidential_note_events job_events pipeline_events wiki_page_events"
        " deployment_events feature_flag_events releases_events", bool, False),
    "emoji_events": Field(bool, False, since=(16, 2)),
    "resource_access_token_events": Field(bool, False, since=(16, 10)),
    **fields("milestone_events resource_deploy_token_events", bool, False, since=(18,)),
    "vulnerability_events": Field(bool, False, since=(17, 11), ee=True),
    "custom_webhook_template": Field(str, None, since=(16, 10)),
}
GROUP_HOOK = {**PROJECT_HOOK, "subgroup_events": Field(bool, False), "member_events": Field(bool, False), "project_events": Field(bool, False)}
SYSTEM_HOOK = {**_ANY_HOOK, "push_events": Field(bool, False), "repository_update_events": Field(bool, True)}
HOOKS = {"project": PROJECT_HOOK, "group": GROUP_HOOK, "instance": SYSTEM_HOOK}
MOST_HOOKS = {"project": 100, "group": 50}

INSTANCE_VARIABLE = {
    "key": Field(str, given="c"),
    "value": Field(str),
    "variable_type": Field(("env_var", "file"), "env_var"),
    **fields("protected masked raw", bool, False),
    "description": Field(str, None, since=(16, 2)),
}
PROJECT_VARIABLE = {
    **INSTANCE_VARIABLE,
    "environment_scope": Field(str, "*"),
    "masked_and_hidden": Field(bool, False, "c", (17, 4), shown=False),
    "hidden": Field(bool, False, "", (17, 4)),
}
GROUP_VARIABLE = {**PROJECT_VARIABLE, "environment_scope": Field(str, "*", ee=True)}
VARIABLES = {"project": PROJECT_VARIABLE, "group": GROUP_VARIABLE, "instance": INSTANCE_VARIABLE}

PROTECTED_BRANCH = {
    "name": Field(str, given="c"),
    **fields("push_access_level merge_access_level", BRANCH_LEVELS, None, "c"),
    "unprotect_access_level": Field((30, 40, 60), ee=True),
    "allow_force_push": Field(bool, False),
    "code_owner_approval_required": Field(bool, False, ee=True),
    **fields("allowed_to_push allowed_to_merge allowed_to_unprotect", list, (), ee=True),
}
PROTECTED_TAG = {
    "name": Field(str, given="c"),
    "create_access_level": Field(TAG_LEVELS, given="c"),
    "allowed_to_create": Field(list, (), "c", ee=True),
}
DEPLOY_KEY = {"title": Field(str), "can_push": Field(bool, False), "key": Field(str, given="c"), "expires_at": Field("date", given="c")}
ACCESS_TOKEN = {"name": Field(str, given="c"), "scopes": Field(list, given="c"), "description": Field(str, given="c"),
                "access_level": Field((10, 15, 20, 30, 40, 50), 40, "c"), "expires_at": Field("date")}
MEMBER = {"user_id": Field(str, given="c"), "username": Field(str, given="c"), "access_level": Field(int), "expires_at": Field("date"),
          "member_role_id": Field(int, ee=True)}
SHARE = {"group_id": Field(int), "group_access": Field((5, 10, 15, 20, 30, 40, 50)), "expires_at": Field("date")}
COMMIT = {**fields("branch commit_message start_branch start_sha author_email author_name", str), "actions": Field(list), "force": Field(bool, False),
          "stats": Field(bool)}
FILE = {**fields("branch commit_message start_branch author_email author_name content encoding last_commit_id", str), "execute_filemode": Field(bool)}
COMMIT_STATUS = {"state": Field(("pending", "running", "success", "failed", "canceled", "skipped")), **fields("ref target_url description name context", str),
                 "pipeline_id": Field(int)}
MERGE_REQUEST = {**fields("source_branch", str, given="c"), **fields("title target_branch description", str), "remove_source_branch": Field(bool),
                 "state_event": Field(("close", "reopen"), given="u")}
MERGE = {**fields("merge_commit_message sha", str), "should_remove_source_branch": Field(bool)}
ENVIRONMENT = {"name": Field(str, given="c"), **fields("external_url description", str),
               "tier": Field(("production", "staging", "testing", "development", "other"))}
DEPLOYMENT = {**fields("environment sha ref", str, given="c"), "tag": Field(bool, given="c"),
              "status": Field(("running", "success", "failed", "canceled"))}

SETTINGS_ALIASES = {"signin_enabled": "password_authentication_enabled_for_web", "asset_proxy_whitelist": "asset_proxy_allowlist",
                    "allow_local_requests_from_hooks_and_services": "allow_local_requests_from_web_hooks_and_services"}
SETTINGS = {
    **fields(
        "signup_enabled password_authentication_enabled_for_web password_authentication_enabled_for_git gravatar_enabled usage_ping_enabled"
        " require_admin_approval_after_user_signup dns_rebinding_protection_enabled allow_local_requests_from_system_hooks authorized_keys_enabled"
        " auto_devops_enabled version_check_enabled user_oauth_applications can_create_group hashed_storage_enabled project_export_enabled"
        " group_owners_can_manage_default_branch_protection user_show_add_ssh_key_message shared_runners_enabled keep_latest_artifact"
        " remember_me_enabled user_defaults_to_private_profile_allowed allow_project_creation_for_guest_and_below", bool, True),
    **fields(
        "allow_local_requests_from_web_hooks_and_services admin_mode require_two_factor_authentication send_user_confirmation_email_disabled"
        " plantuml_enabled kroki_enabled sourcegraph_enabled akismet_enabled recaptcha_enabled prometheus_metrics_enabled"
        " throttle_unauthenticated_enabled throttle_authenticated_api_enabled throttle_authenticated_web_enabled enforce_terms"
        " external_authorization_service_enabled gitpod_enabled html_emails_enabled user_default_external mirror_available"
        " disable_feed_token disable_personal_access_tokens hide_third_party_offers domain_denylist_enabled email_author_in_body"
        " delete_inactive_projects repository_checks_enabled silent_mode_enabled suggest_pipeline_enabled invisible_captcha_enabled"
        " user_defaults_to_private_profile container_registry_vendor_enabled bulk_import_enabled silent_admin_exports_enabled"
        " allow_runner_registration_token enable_artifact_external_redirect_warning_page require_personal_access_token_expiry", bool, False),
    **fields("default_project_visibility default_group_visibility default_snippet_visibility", VISIBILITY, "private"),
    **fields("restricted_visibility_levels import_sources disabled_oauth_sign_in_sources domain_allowlist domain_denylist asset_proxy_allowlist"
             " outbound_local_requests_whitelist protected_paths", list, ()),
    **fields("after_sign_out_path after_sign_up_text home_page_url help_page_support_url help_page_text sign_in_text terms plantuml_url kroki_url"
             " sourcegraph_url admin_notification_email abuse_notification_email commit_email_hostname runner_token_expiration_interval"
             " recaptcha_site_key akismet_api_key user_default_internal_regex email_restrictions custom_http_clone_url_root"
             " grafana_url maintenance_mode_message auto_devops_domain", str),
    **fields("default_branch_name", str, "main"),
    "default_branch_protection": Field((0, 1, 2, 3, 4), 2),
    "default_branch_protection_defaults": Field(dict, DEFAULT_PROTECTION, since=(17,)),
    "default_projects_limit": Field(int, 100000),
    "default_project_creation": Field(int, 2),
    "default_artifacts_expire_in": Field(str, "30 days"),
    "deletion_adjourned_period": Field(int, 30),
    "allow_immediate_namespaces_deletion": Field(bool, True, since=(18, 5)),
    "enabled_git_access_protocol": Field(("ssh", "http", "all"), None),
    "max_artifacts_size": Field(int, 100), "max_attachment_size": Field(int, 100), "max_import_size": Field(int, 0), "max_export_size": Field(int, 0),
    "max_pages_size": Field(int, 100), "session_expire_delay": Field(int, 10080), "container_registry_token_expire_delay": Field(int, 5),
    "two_factor_grace_period": Field(int, 48), "first_day_of_week": Field(int, 0), "minimum_password_length": Field(int, 8),
    "notes_create_limit": Field(int, 300), "push_event_hooks_limit": Field(int, 3), "push_event_activities_limit": Field(int, 3),
    "issues_create_limit": Field(int, 300), "project_jobs_api_rate_limit": Field(int, 600), "users_get_by_id_limit": Field(int, 300),
    "projects_api_rate_limit_unauthenticated": Field(int, 400), "terminal_max_session_time": Field(int, 0), "local_markdown_version": Field(int, 0),
    "throttle_authenticated_api_requests_per_period": Field(int, 7200), "throttle_authenticated_api_period_in_seconds": Field(int, 3600),
    "throttle_unauthenticated_requests_per_period": Field(int, 3600), "throttle_unauthenticated_period_in_seconds": Field(int, 3600),
    "inactive_resource_access_tokens_delete_after_days": Field(int, 30, since=(17, 7)), "max_personal_access_token_lifetime": Field(int, None, ee=True),
    "rsa_key_restriction": Field(int, 0), "dsa_key_restriction": Field(int, -1), "ecdsa_key_restriction": Field(int, 0),
    "ed25519_key_restriction": Field(int, 0),
    **fields("elasticsearch_indexing elasticsearch_search check_namespace_plan allow_group_owners_to_manage_ldap maintenance_mode", bool, False, ee=True),
    **fields("email_additional_text elasticsearch_url geo_node_allowed_ips", str, None, ee=True),
    **fields("file_template_project_id repository_size_limit shared_runners_minutes", int, None, ee=True),
}
SETTINGS_SECRETS = ("akismet_api_key",)
