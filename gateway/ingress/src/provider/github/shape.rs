//! What a body's own members tell of its event. The event's name is a header that nothing signs.

use crate::{activity::Kind, json::Object};

/// An event, the members that each of its bodies has, and those that none has. The first that fits is what a body tells.
type Shape = (&'static str, &'static [&'static str], &'static [&'static str]);

const SHAPES: [Shape; 33] = [
    ("ping", &["zen", "hook_id"], &[]),
    ("pull_request_review_comment", &["pull_request", "comment"], &[]),
    ("pull_request_review_thread", &["pull_request", "thread"], &[]),
    ("pull_request_review", &["pull_request", "review"], &[]),
    ("issue_comment", &["issue", "comment"], &[]),
    ("discussion_comment", &["discussion", "comment"], &[]),
    ("commit_comment", &["comment"], &["issue", "pull_request", "discussion"]),
    ("pull_request", &["pull_request"], &["comment", "review", "thread"]),
    ("issues", &["issue"], &["comment"]),
    ("discussion", &["discussion"], &["comment"]),
    ("push", &["ref", "commits", "pusher"], &[]),
    ("create", &["ref", "ref_type", "master_branch"], &[]),
    ("delete", &["ref", "ref_type"], &["master_branch"]),
    ("fork", &["forkee"], &[]),
    ("release", &["release"], &[]),
    ("gollum", &["pages"], &[]),
    ("membership", &["member", "team"], &[]),
    ("member", &["member"], &["team"]),
    ("workflow_job", &["workflow_job"], &[]),
    ("deployment_status", &["deployment", "deployment_status"], &[]),
    ("deployment", &["deployment"], &["deployment_status", "workflow_job"]),
    ("check_run", &["check_run"], &["deployment"]),
    ("check_suite", &["check_suite"], &[]),
    ("workflow_run", &["workflow_run"], &["deployment", "since"]),
    ("workflow_dispatch", &["workflow", "inputs"], &[]),
    ("label", &["label"], &["issue", "pull_request", "discussion"]),
    ("milestone", &["milestone"], &["issue", "pull_request"]),
    ("status", &["sha", "state", "context"], &[]),
    ("page_build", &["build"], &[]),
    ("star", &["starred_at"], &[]),
    ("installation_repositories", &["repositories_added", "repositories_removed"], &[]),
    ("org_block", &["blocked_user"], &[]),
    ("marketplace_purchase", &["marketplace_purchase"], &[]),
];

/// Events whose bodies have nothing of their own, and so nothing of what people write either.
const PLAIN: [&str; 9] = [
    "watch",
    "public",
    "repository",
    "repository_import",
    "organization",
    "installation",
    "team",
    "team_add",
    "github_app_authorization",
];
const WRITTEN: [&str; 7] = ["issue", "pull_request", "discussion", "comment", "review", "release", "commits"];

fn is(body: &Object<'_>, (_, has, not): &Shape) -> bool {
    has.iter().all(|member| body.has(member)) && !not.iter().any(|member| body.has(member))
}

/// The event that a body's members tell.
pub(super) fn told(body: &Object<'_>) -> Option<&'static str> {
    SHAPES.iter().find(|shape| is(body, shape)).map(|(event, ..)| *event)
}

/// Whether a body may be of an event. Of an event that nobody knew when this was written, any body may be.
pub(super) fn fits(claimed: &str, body: &Object<'_>) -> bool {
    if PLAIN.contains(&claimed) {
        return !WRITTEN.iter().any(|member| body.has(member));
    }
    SHAPES
        .iter()
        .find(|(event, ..)| *event == claimed)
        .is_none_or(|shape| is(body, shape))
}

/// What kind of activity it is: what people say of something, who comes and goes, and everything else.
pub(super) fn kind(body: &Object<'_>) -> Kind {
    let said = body.has("comment") || body.object("review").is_some_and(|review| has_words(&review));
    let who = body.has("member") || body.has("membership");
    match body.text("action").as_deref() {
        Some("created" | "submitted") if said => Kind::Message,
        Some("edited") if said => Kind::Edit,
        Some("deleted") if body.has("comment") => Kind::Deletion,
        Some("added" | "removed" | "member_added" | "member_removed" | "member_invited") if who => Kind::Membership,
        _ => Kind::Event,
    }
}

/// A review may be a mere approval.
fn has_words(review: &Object<'_>) -> bool {
    review.text("body").is_some_and(|text| !text.trim().is_empty())
}
