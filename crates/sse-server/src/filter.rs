//! Which events a subscriber gets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sse_codec::{Decoder, EventRef};

use crate::subscriber::Panicked;
use crate::sync::Exclusive;

type Predicate = Box<dyn FnMut(EventRef<'_>) -> bool + Send>;

/// A predicate of the user's, asked outside of any lock.
#[derive(Debug)]
pub(crate) struct Filter {
    predicate: Exclusive<Predicate>,
    decoder: Decoder,
}

impl Filter {
    pub(crate) fn new(predicate: impl FnMut(EventRef<'_>) -> bool + Send + 'static) -> Self {
        Self { predicate: Exclusive::new(Box::new(predicate)), decoder: Decoder::with_limit(usize::MAX) }
    }

    /// Whether a block passes. One that is no event does.
    pub(crate) fn passes(&mut self, mut block: &[u8]) -> Result<bool, Panicked> {
        let Ok(Some(event)) = self.decoder.next_event(&mut block) else { return Ok(true) };
        let predicate = self.predicate.get_mut();
        // A panic ends this subscriber only, also where others share its connection.
        catch_unwind(AssertUnwindSafe(|| predicate(event))).map_err(|_| Panicked)
    }
}
