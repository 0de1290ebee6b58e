//! The caller of a request, and its rights.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::SystemTime;

use axum::http::StatusCode;
use sse_server::Subscription;
use tokio::sync::watch;

use super::authority::Rules;
use super::file::Token;
use super::jwt::Verified;
use super::{Right, Rights};
use crate::serve::access_log::Entry;
use crate::serve::rejection::{Challenge, Rejection};

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// To publish to a topic.
    Publish(String),
    /// To subscribe to each of these topics.
    Subscribe(Vec<String>),
    /// To see all topics.
    Status,
}

/// One of the rights that are needed for it.
enum Part<'a> {
    Topic(Right, &'a str),
    Status,
}

/// The caller of a request.
///
/// A caller with an invalid token has the rights of everybody. The refusal says what is wrong with the token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    proof: Proof,
    rules: watch::Receiver<Arc<Rules>>,
    /// The request's line of the access log, if there is one.
    entry: Option<Entry>,
}

/// How a caller has proved its rights.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    None,
    /// By a token of the file.
    Token(Arc<Token>),
    Jwt(Arc<Verified>),
    /// By a token that is not valid, for this reason.
    Invalid(String),
}

impl Caller {
    pub(crate) fn new(proof: Proof, rules: watch::Receiver<Arc<Rules>>) -> Self {
        Self { proof, rules, entry: None }
    }

    /// Notes in the access log what the caller does.
    pub(crate) fn logged(self, entry: Option<Entry>) -> Self {
        if let Some(entry) = &entry {
            entry.user(self.user());
        }
        Self { entry, ..self }
    }

    /// Notes how many events were published, for the access log.
    pub(crate) fn has_published(&self, events: usize) {
        if let Some(entry) = &self.entry {
            entry.published(events as u64);
        }
    }

    /// The name of the user, if the token has one.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.proof {
            Proof::Token(token) => token.user().map(|user| &**user),
            Proof::Jwt(jwt) => jwt.user.as_deref(),
            Proof::None | Proof::Invalid(_) => None,
        }
    }

    /// Refuses the caller if it does not have the right.
    pub(crate) fn check(&self, what: &Use) -> Result<(), Rejection> {
        if let Some(entry) = &self.entry {
            entry.right(what.name());
        }
        what.parts().find(|part| !self.may(part)).map_or(Ok(()), |part| Err(self.refuse(&part.to_string())))
    }

    /// Ends the stream of a subscription when its caller loses the right: the token expires, or a reload takes the
    /// right away.
    pub(crate) fn limit(&self, mut subscription: Subscription, what: Use) -> Subscription {
        if let Some(entry) = self.entry.clone() {
            subscription = subscription.on_end(move |ended| entry.ended(ended));
        }
        if self.rules.borrow().are_final() {
            subscription
        } else {
            subscription.until(self.clone().loses(what))
        }
    }

    /// Waits until the caller loses the right.
    pub(crate) async fn loses(self, what: Use) {
        let mut rules = self.rules.clone();
        let expiry = async {
            match &self.proof {
                Proof::Jwt(jwt) => {
                    let left = jwt.expires.duration_since(SystemTime::now());
                    tokio::time::sleep(left.unwrap_or_default()).await;
                }
                Proof::None | Proof::Token(_) | Proof::Invalid(_) => pending().await,
            }
        };
        let revocation = async {
            while rules.changed().await.is_ok() {
                if !what.parts().all(|part| self.may(&part)) {
                    return;
                }
            }
            pending::<()>().await;
        };
        let reason = tokio::select! {
            () = expiry => "token-expired",
            () = revocation => "right-revoked",
        };
        if let Some(entry) = &self.entry {
            entry.ends(reason);
        }
        tracing::debug!(user = self.user(), reason, "a stream or a poll ends");
    }

    /// Returns whether the caller's rights, or those of everybody, are enough now.
    fn may(&self, part: &Part<'_>) -> bool {
        let rules = self.rules.borrow();
        let own = match &self.proof {
            // The file may have changed since the token came.
            Proof::Token(token) => rules.token(token.secret()).map(|token| token.rights()),
            Proof::Jwt(jwt) => Some(&jwt.rights).filter(|_| rules.accept(&jwt.key)),
            Proof::None | Proof::Invalid(_) => None,
        };
        part.is_covered(rules.everybody()) || own.is_some_and(|own| part.is_covered(own))
    }

    fn refuse(&self, what: &str) -> Rejection {
        match &self.proof {
            Proof::None => Rejection::new(
                StatusCode::UNAUTHORIZED,
                format!("a token is needed to {what}; send it as `Authorization: Bearer TOKEN`, or as ?access_token="),
            )
            .challenge(Challenge::Bearer),
            Proof::Invalid(flaw) => Rejection::new(
                StatusCode::UNAUTHORIZED,
                format!("a valid token is needed to {what}; this one is not: {flaw}"),
            )
            .challenge(Challenge::InvalidToken),
            Proof::Token(_) | Proof::Jwt(_) => {
                Rejection::new(StatusCode::FORBIDDEN, format!("this token gives no right to {what}"))
                    .challenge(Challenge::InsufficientScope)
            }
        }
    }
}

impl Use {
    /// The right that it needs, as a word.
    fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => Right::Publish.name(),
            Self::Subscribe(_) => Right::Subscribe.name(),
            Self::Status => "status",
        }
    }

    /// The answer to a request that was waiting for it when its caller lost the right.
    pub(crate) fn refuse_lost(&self) -> Rejection {
        let what = self.parts().next().map_or_else(String::new, |part| format!(" to {part}"));
        let text = format!(
            "the right{what} ended while the request waited: its token has expired or was revoked; get a new one"
        );
        Rejection::new(StatusCode::UNAUTHORIZED, text).challenge(Challenge::InvalidToken)
    }

    /// How many topics it is for.
    pub(crate) fn topics(&self) -> usize {
        match self {
            Self::Publish(_) => 1,
            Self::Subscribe(names) => names.len(),
            Self::Status => 0,
        }
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let (right, names) = match self {
            Self::Publish(name) => (Right::Publish, std::slice::from_ref(name)),
            Self::Subscribe(names) => (Right::Subscribe, &names[..]),
            Self::Status => (Right::Subscribe, &[][..]),
        };
        let topics = names.iter().map(move |name| Part::Topic(right, name));
        topics.chain((*self == Self::Status).then_some(Part::Status))
    }
}

impl Part<'_> {
    fn is_covered(&self, rights: &Rights) -> bool {
        match *self {
            Self::Topic(right, name) => rights.cover(right, name),
            Self::Status => rights.cover_status(),
        }
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Topic(right, name) => write!(f, "{} to the topic {name}", right.name()),
            Self::Status => write!(f, "see all topics"),
        }
    }
}
