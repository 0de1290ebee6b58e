//! The task that follows a log for a hub.

use std::sync::{Arc, Weak};

use tokio::time::{Instant, sleep};

use super::hub::Hub;
use super::settings::Settings;
use super::source::{Replica, Source};
use crate::history::{Begun, Broken, Entry, Position, Recent, size as entry_size};
use crate::log::{Backoff, LogError, Outage, Outbox, SharedLog, trace};

/// How many entries are read at once.
const PAGE: usize = 512;

/// How many of the newest entries of the log a hub begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Returns a hub whose topics are copies of the log. It follows the log in the current runtime.
pub(crate) async fn follow_log(
    log: SharedLog,
    outbox: Outbox,
    settings: Settings,
    beginning: Beginning,
    max_memory: usize,
) -> Result<Arc<Hub>, LogError> {
    let begun = begun(&log, beginning).await?;
    let position = begun.last();
    let source = Source::of_log(log.clone(), outbox);
    let hub = Arc::new(Hub::of_log(source, settings, beginning.messages, beginning.bytes, max_memory));
    if let Some(replica) = hub.source().replica() {
        hub.begin(replica, begun);
        let follower = tokio::spawn(follow(Arc::downgrade(&hub), log, position, beginning));
        replica.stop_with(follower.abort_handle());
    }
    Ok(hub)
}

/// Reads what a hub begins with.
async fn begun(log: &SharedLog, beginning: Beginning) -> Result<Begun, LogError> {
    let newest = newest(log, beginning).await?;
    // They are read last: a topic that is opened again meanwhile is not among them, and the follower reads the opening.
    let ends = log.ends(Recent::ENDS).await?.unwrap_or_default();
    Ok(Begun { ends, newest })
}

/// Reads the newest entries of the log.
async fn newest(log: &SharedLog, beginning: Beginning) -> Result<Vec<Entry>, LogError> {
    let Beginning { messages, bytes } = beginning;
    // The pages, the newest first.
    let mut pages: Vec<Vec<Entry>> = Vec::new();
    let (mut count, mut size) = (0, 0);
    while count < messages && size < bytes {
        let oldest = pages.last().and_then(|page| page.first());
        let page = log.before(oldest.map(|entry| entry.position), (messages - count).min(PAGE)).await?;
        // An entry between two pages may have been evicted since. Then the earlier page does not belong to the rest.
        let follows = match (page.last(), oldest) {
            (Some(last), Some(oldest)) => oldest.previous == last.position,
            (last, _) => last.is_some(),
        };
        if !follows {
            break;
        }
        count += page.len();
        size += page.iter().map(entry_size).sum::<usize>();
        pages.push(page);
    }
    let mut entries: Vec<Entry> = pages.into_iter().rev().flatten().collect();
    // The entries after the last break in the chain.
    let linked = entries.windows(2).rposition(|pair| pair[1].previous != pair[0].position);
    entries.drain(..linked.map_or(0, |position| position + 1));
    Ok(entries)
}

/// Follows a log as long as the hub lives.
async fn follow(hub: Weak<Hub>, log: SharedLog, mut position: Position, beginning: Beginning) {
    let stopped = Stopped(hub.clone());
    let (mut wait, mut outage) = (Backoff::default(), Outage::default());
    loop {
        let page = log.follow(position, PAGE).await;
        let Some(hub) = hub.upgrade() else { break };
        let Some(replica) = hub.source().replica() else { break };
        let begun = match page {
            Ok(page) => match page.map(|entries| hub.take_in(replica, entries)) {
                Some(Ok(last)) => {
                    position = last;
                    wait = Backoff::default();
                    if let Some(lasted) = outage.succeeded(Instant::now()) {
                        trace::following_again(lasted);
                    }
                    continue;
                }
                Some(Err(Broken)) | None => begin_anew(&hub, replica, &mut position, beginning).await,
            },
            Err(error) => Err(error),
        };
        let pause = wait.next();
        match begun {
            Ok(()) => {
                if let Some(lasted) = outage.succeeded(Instant::now()) {
                    trace::following_again(lasted);
                }
            }
            Err(error) => {
                hub.lock().lose_sight();
                trace::attempt_failed(&error, pause);
                if let Some(lasted) = outage.failed(Instant::now()) {
                    trace::following_fails(&error, lasted);
                }
            }
        }
        drop(hub);
        sleep(pause).await;
    }
    drop(stopped);
}

/// Begins anew, because the entries after the position are lost. All subscribers get a gap event.
async fn begin_anew(
    hub: &Hub,
    replica: &Replica,
    position: &mut Position,
    beginning: Beginning,
) -> Result<(), LogError> {
    let begun = begun(replica.log(), beginning).await?;
    let last = begun.last();
    // An empty log reports the loss again and again, until it has an entry.
    if *position != last {
        trace::log_lost(&hub.source().id(*position));
        *position = last;
        hub.begin(replica, begun);
    }
    Ok(())
}

/// Reports that nobody follows the log any more though the hub lives: its runtime has ended, or the log has panicked.
struct Stopped(Weak<Hub>);

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(hub) = self.0.upgrade() {
            hub.lock().lose_sight();
            trace::stopped();
        }
    }
}
