//! What the client's observer records beside the events.

use jiff::Timestamp;
use sse_client::Notice;
use sse_client::reqwest::header::HeaderMap;

use super::head::Head;
use super::notices::Notices;
use super::rereader::Rereader;
use crate::envelope;

/// What is to be recorded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// The heads of responses.
    pub(crate) heads: bool,
    pub(crate) comments: bool,
    /// Which events have an id of their own.
    pub(crate) own_ids: bool,
}

/// What is known of the connection, and of the bytes that came last.
#[derive(Debug)]
pub(crate) struct Watch {
    notices: Notices,
    /// The heads that have not been printed, if they are to be.
    heads: Option<String>,
    /// Set if comments or events' own ids are to be printed.
    rereader: Option<Rereader>,
    /// When the last bytes came.
    received: Timestamp,
    /// Whether the data of the events say their topics.
    is_enveloped: bool,
}

/// What an event does not say of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Whether it has an id of its own, if that was to be recorded.
    pub(crate) has_id: bool,
    /// When it came.
    pub(crate) received: Timestamp,
    /// Whether its data says its topic.
    pub(crate) is_enveloped: bool,
}

impl Watch {
    pub(crate) fn new(notices: Notices, wanted: Wanted) -> Self {
        Self {
            notices,
            heads: wanted.heads.then(String::new),
            rereader: (wanted.comments || wanted.own_ids).then(|| Rereader::new(wanted.comments)),
            received: Timestamp::now(),
            is_enveloped: false,
        }
    }

    pub(crate) fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Opened { version, status, headers, .. } => {
                self.note_head(Some(Head { version, status, headers }));
                self.is_enveloped = is_enveloped(headers);
                if let Some(rereader) = &mut self.rereader {
                    rereader.reset();
                }
            }
            Notice::Received(bytes) => {
                self.received = Timestamp::now();
                if let Some(rereader) = &mut self.rereader {
                    rereader.read(bytes);
                }
            }
            Notice::Waiting { cause: Some(error), .. } | Notice::Closed(Some(error)) => {
                self.note_head(error.refusal().map(Head::from));
            }
            _ => {}
        }
        self.notices.notice(notice);
    }

    /// The next event is passed on.
    pub(crate) fn event_passed(&mut self) -> Facts {
        let has_id = self.rereader.as_mut().is_some_and(Rereader::event_passed);
        Facts { has_id, received: self.received, is_enveloped: self.is_enveloped }
    }

    /// The next comment that no other event goes before.
    pub(crate) fn next_comment(&mut self) -> Option<String> {
        self.rereader.as_mut()?.next_comment()
    }

    /// The heads of responses that came since the last time, if they are to be printed.
    pub(crate) fn take_heads(&mut self) -> Option<String> {
        self.heads.as_mut().map(std::mem::take).filter(|heads| !heads.is_empty())
    }

    pub(crate) fn say(&self, text: &str) {
        self.notices.say(text);
    }

    fn note_head(&mut self, head: Option<Head<'_>>) {
        if let (Some(heads), Some(head)) = (&mut self.heads, head) {
            heads.push_str(&head.to_string());
        }
    }
}

/// Returns whether the server sends the requested form. A server that does not know the header sends other data, which
/// stays as it is.
fn is_enveloped(headers: &HeaderMap) -> bool {
    headers.get(envelope::HEADER).is_some_and(|form| form.as_bytes().eq_ignore_ascii_case(b"json"))
}
