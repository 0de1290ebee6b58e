//! A plain file that is appended to, and `fdatasync`: the limit. Messages that come during a flush share the next one.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use tokio::sync::oneshot;

use crate::Result;

/// A handle of the file. Its thread ends with the last handle.
#[derive(Clone)]
pub(super) struct File {
    messages: Sender<Append>,
    counts: Arc<Counts>,
}

struct Append {
    text: Box<str>,
    stored: oneshot::Sender<std::io::Result<()>>,
}

#[derive(Default)]
struct Counts {
    messages: AtomicU64,
    flushes: AtomicU64,
}

impl File {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = fs::File::create(path)?;
        let (messages, received) = mpsc::channel();
        let counts = Arc::new(Counts::default());
        let same = counts.clone();
        thread::spawn(move || write(file, &received, &same));
        Ok(Self { messages, counts })
    }

    pub(super) async fn append(&self, text: &str) -> Result<()> {
        let (stored, is_stored) = oneshot::channel();
        self.messages.send(Append { text: text.into(), stored })?;
        Ok(is_stored.await??)
    }

    pub(super) fn messages_per_flush(&self) -> f64 {
        let Counts { messages, flushes } = &*self.counts;
        messages.load(Ordering::Relaxed) as f64 / flushes.load(Ordering::Relaxed) as f64
    }
}

fn write(mut file: fs::File, received: &Receiver<Append>, counts: &Counts) {
    let (mut buffer, mut waiting) = (Vec::new(), Vec::new());
    while let Ok(first) = received.recv() {
        buffer.clear();
        for append in std::iter::once(first).chain(received.try_iter()) {
            buffer.extend_from_slice(append.text.as_bytes());
            waiting.push(append.stored);
        }
        let flushed = file.write_all(&buffer).and_then(|()| file.sync_data());
        counts.messages.fetch_add(waiting.len() as u64, Ordering::Relaxed);
        counts.flushes.fetch_add(1, Ordering::Relaxed);
        for stored in waiting.drain(..) {
            // A publisher that does not wait has ended.
            let _ = stored.send(flushed.as_ref().map_err(|error| error.kind().into()).copied());
        }
    }
}
