//! Reads events that lie whole in one chunk, as most events do.
//!
//! Their lines are read into spans, without a buffer and without state. Some lines are left to the block, which takes
//! over the fields before them: a second `data` line, `retry`, and text over a limit.

use super::chunk::Chunk;
use super::field::{self, Name};
use super::span::Span;

/// What [`read`] has read.
pub(crate) enum Read<'i> {
    Event(EventText<'i>),
    /// The chunk after some fields of a block, these fields, and the next line, which the block must read. The line is
    /// `None` if it does not end in the chunk.
    Line(Chunk<'i>, Fields, Option<Span>),
}

/// The text of an event, lent from its chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventText<'i> {
    pub(crate) event_type: &'i str,
    pub(crate) data: &'i str,
    /// The value of its `id` field, if it has one.
    pub(crate) id: Option<&'i str>,
}

/// The fields of a block that lie in the chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) data: Option<Span>,
    pub(crate) event_type: Option<Span>,
    pub(crate) id: Option<Span>,
}

/// The greatest length of each text, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) data: usize,
    pub(crate) name: usize,
}

/// What [`read_data`] has read.
pub(crate) enum ReadData<'i> {
    Event(&'i str),
    /// The first line is data and does not end in the chunk.
    Unended,
    /// Anything else. Nothing has been read.
    Other,
}

/// Reads an event of one line of data, at the start of a block. It advances `input` only if there is such an event.
///
/// Most events of LLM APIs have this form. The first and last bytes of the line are enough to recognize it, which is
/// faster than [`read`].
#[inline]
pub(crate) fn read_data<'i>(input: &mut &'i [u8], limit: usize) -> ReadData<'i> {
    let begins_data = Chunk::new(input).word(0).is_some_and(field::begins_data);
    if begins_data { read_value(input, limit) } else { ReadData::Other }
}

#[inline(never)]
fn read_value<'i>(input: &mut &'i [u8], limit: usize) -> ReadData<'i> {
    let mut chunk = Chunk::new(input);
    let Some(line) = chunk.line() else { return ReadData::Unended };
    let ([b'\n', b'\n', rest @ ..] | [b'\r', b'\n', b'\r', b'\n', rest @ ..]) = &input[line.end..] else {
        return ReadData::Other;
    };
    let data = line.skip(field::DATA_START);
    let Some(text) = chunk.text(data).filter(|_| data.len() <= limit) else { return ReadData::Other };
    *input = rest;
    ReadData::Event(text)
}

/// Reads up to the end of the next event, at the start of a block. It advances `input` only if there is such an event.
// Not generic and not inlined, so that it is compiled in this crate and its state stays in registers.
#[inline(never)]
pub(crate) fn read<'i>(input: &mut &'i [u8], limits: Limits) -> Read<'i> {
    let mut chunk = Chunk::new(input);
    let mut fields = Fields::default();
    loop {
        let Some(line) = chunk.line() else { return Read::Line(chunk, fields, None) };
        if line.is_empty() {
            if fields.data.is_none() && fields.id.is_none() {
                fields.event_type = None;
                continue;
            }
            let Some(event) = fields.text(&chunk) else { return Read::Line(chunk, fields, Some(line)) };
            *input = chunk.rest();
            return Read::Event(event);
        }
        if !fields.take(&chunk, line, limits) {
            return Read::Line(chunk, fields, Some(line));
        }
    }
}

impl Fields {
    /// Reads a line that is not empty. Returns false if the block must read it.
    ///
    /// The first eight bytes are compared with the spelling of most servers. They may go beyond the end of the line,
    /// but no name has a line ending in it.
    #[inline]
    fn take(&mut self, chunk: &Chunk<'_>, line: Span, limits: Limits) -> bool {
        const EVENT: u64 = u64::from_le_bytes(*b"event: \0");
        const ID: u64 = u64::from_le_bytes(*b"id: \0\0\0\0");

        let Some(word) = chunk.word(line.start) else { return self.take_by_bytes(chunk, line, limits) };
        if word & 0xFF == u64::from(b':') {
            true
        } else if field::begins_data(word) {
            self.take_data(line.skip(field::DATA_START), limits)
        } else if word << 8 == EVENT << 8 {
            self.take_event_type(line.skip(7), limits)
        } else if word << 32 == ID << 32 {
            self.take_id(chunk, line.skip(4), limits)
        } else {
            self.take_by_bytes(chunk, line, limits)
        }
    }

    #[inline(never)]
    fn take_by_bytes(&mut self, chunk: &Chunk<'_>, line: Span, limits: Limits) -> bool {
        let Some((name, value)) = field::whole(chunk.bytes(line)) else { return true };
        match name {
            Name::Data => self.take_data(line.skip(value), limits),
            Name::Event => self.take_event_type(line.skip(value), limits),
            Name::Id => self.take_id(chunk, line.skip(value), limits),
            Name::Retry => false,
            Name::Comment => true,
        }
    }

    #[inline]
    fn take_data(&mut self, value: Span, limits: Limits) -> bool {
        let is_first = self.data.is_none() && value.len() <= limits.data;
        if is_first {
            self.data = Some(value);
        }
        is_first
    }

    #[inline]
    fn take_event_type(&mut self, value: Span, limits: Limits) -> bool {
        let fits = value.len() <= limits.name;
        if fits {
            self.event_type = Some(value);
        }
        fits
    }

    #[inline]
    fn take_id(&mut self, chunk: &Chunk<'_>, value: Span, limits: Limits) -> bool {
        let fits = value.len() <= limits.name && !chunk.has_nul(value);
        if fits {
            self.id = Some(value);
        }
        fits
    }

    /// Returns the text of the event, or `None` if there is no data or if the text is ill-formed.
    ///
    /// UTF-8 is checked once, from the first field to the last.
    #[inline]
    fn text<'i>(self, chunk: &Chunk<'i>) -> Option<EventText<'i>> {
        let data = self.data?;
        if self.event_type.is_none() && self.id.is_none() {
            return Some(EventText { event_type: "", data: chunk.text(data)?, id: None });
        }
        let mut all = data;
        for span in [self.event_type, self.id].into_iter().flatten() {
            all = Span { start: all.start.min(span.start), end: all.end.max(span.end) };
        }
        let text = chunk.text(all)?;
        let part = |span: Span| text.get(span.start - all.start..span.end - all.start);
        Some(EventText {
            event_type: self.event_type.map_or(Some(""), part)?,
            data: part(data)?,
            id: match self.id {
                Some(id) => Some(part(id)?),
                None => None,
            },
        })
    }
}
