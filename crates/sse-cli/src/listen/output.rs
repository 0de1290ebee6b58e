//! Events and comments as they are printed.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use sse_client::Event;

use super::watch::Facts;
use crate::envelope::Envelope;
use crate::visible::Visible;

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people: the time, the type, the id, the data.
    Readable,
    /// An object of JSON on each line.
    Json,
    /// The data, and a line ending.
    Data,
}

#[derive(Serialize)]
struct Comment<'a> {
    comment: &'a str,
}

const DIMMED: Style = Style::new().dimmed();
const TYPE: Style = AnsiColor::Cyan.on_default().bold();
/// Something is missing.
const GAP: Style = AnsiColor::Yellow.on_default().bold();

/// Prints an event as a line of JSON: its id only if it has one of its own, which names it and no other event; its topic
/// if the server says it.
pub(crate) fn json(out: &mut dyn Write, event: &Event, facts: Facts) -> io::Result<()> {
    let id = Some(event.last_event_id()).filter(|id| facts.has_id && !id.is_empty());
    let event_type = Some(event.event_type()).filter(|&event_type| event_type != "message");
    // An event of the hub's own, such as a gap, is of no topic, and has its data as it is.
    let within =
        facts.is_enveloped.then(|| serde_json::from_str::<Envelope<'_>>(event.data()).ok()).flatten();
    let (topic, data) = match within {
        Some(Envelope { topic: Some(topic), data, .. }) => (Some(topic), data),
        _ => (None, event.data().into()),
    };
    let envelope = Envelope {
        topic,
        // Milliseconds.
        time: Some(format!("{:.3}", facts.received).into()),
        event_type: event_type.map(Into::into),
        id: id.map(Into::into),
        data,
    };
    line(out, &envelope)
}

/// Prints the data of an event.
pub(crate) fn data(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    writeln!(out, "{}", event.data())
}

/// Prints a comment.
pub(crate) fn comment(out: &mut dyn Write, form: Form, comment: &str) -> io::Result<()> {
    match form {
        Form::Readable => writeln!(out, "{DIMMED}: {}{DIMMED:#}", Visible(comment)),
        Form::Json => line(out, &Comment { comment }),
        Form::Data => Ok(()),
    }
}

/// Prints a line of JSON.
pub(crate) fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Prints an event with this time ahead of it: one line, or, where the data has several, a heading and its lines
/// below.
pub(crate) fn readable(out: &mut dyn Write, event: &Event, time: &str) -> io::Result<()> {
    let style = match event.event_type() {
        "message" => DIMMED,
        "gap" => GAP,
        _ => TYPE,
    };
    write!(out, "{DIMMED}{time}{DIMMED:#}  {style}{}{style:#}", Visible(event.event_type()))?;
    if !event.last_event_id().is_empty() {
        write!(out, "  {DIMMED}{}{DIMMED:#}", Visible(event.last_event_id()))?;
    }
    if event.data().contains('\n') {
        writeln!(out)?;
        return event.data_lines().try_for_each(|line| writeln!(out, "  {}", Visible(line)));
    }
    writeln!(out, "  {}", Visible(event.data()))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use sse_client::{EventId, EventType};

    use super::*;

    /// The time at which all events of these tests come, as JSON has it.
    const TIME: &str = "\"time\":\"1970-01-01T00:00:00.000Z\"";

    const FACTS: Facts = Facts { has_id: true, received: Timestamp::UNIX_EPOCH, is_enveloped: false };

    /// Checks the forms, the readable one without its colours.
    #[track_caller]
    fn check((event_type, id, data): (&str, &str, &str), readable: &str, json: &str) {
        let mut event = Event::new(data);
        event.set_event_type(&EventType::new(event_type).unwrap());
        event.set_last_event_id(&EventId::new(id).unwrap());
        let mut out = anstream::StripStream::new(Vec::new());
        super::readable(&mut out, &event, "21:08:14").unwrap();
        assert_eq!(String::from_utf8(out.into_inner()).unwrap(), readable);
        let mut out = Vec::new();
        super::json(&mut out, &event, FACTS).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{{{TIME},{json}}}\n"));
        let mut out = Vec::new();
        super::data(&mut out, &event).unwrap();
        assert_eq!(out, [data.as_bytes(), b"\n"].concat());
    }

    #[test]
    fn each_form_has_what_it_is_for() {
        check(
            ("price", "7", r#"{"tea":1250}"#),
            "21:08:14  price  7  {\"tea\":1250}\n",
            "\"type\":\"price\",\"id\":\"7\",\"data\":\"{\\\"tea\\\":1250}\"",
        );
        check(("message", "", "a"), "21:08:14  message  a\n", "\"data\":\"a\"");
        check(("message", "", ""), "21:08:14  message  \n", "\"data\":\"\"");
        check(
            ("message", "7", "two\n\tlines\n"),
            "21:08:14  message  7\n  two\n  \tlines\n  \n",
            "\"id\":\"7\",\"data\":\"two\\n\\tlines\\n\"",
        );
    }

    #[test]
    fn an_id_of_an_earlier_event_is_not_this_ones() {
        let mut event = Event::new("a");
        event.set_last_event_id(&EventId::new("7").unwrap());
        let mut out = Vec::new();
        json(&mut out, &event, Facts { has_id: false, ..FACTS }).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{{{TIME},\"data\":\"a\"}}\n"));
    }

    #[test]
    fn a_topic_is_taken_out_of_the_data_only_where_a_hub_put_it() {
        #[track_caller]
        fn check(is_enveloped: bool, data: &str, expected: &str) {
            let mut out = Vec::new();
            json(&mut out, &Event::new(data), Facts { is_enveloped, ..FACTS }).unwrap();
            let found: Envelope<'_> = serde_json::from_slice(&out).unwrap();
            let topic = found.topic.unwrap_or_default();
            assert_eq!(format!("{topic}: {}", found.data), expected);
        }

        let data = r#"{"topic":"news","id":"7","data":"a\nb"}"#;
        check(true, data, "news: a\nb");
        check(false, data, &format!(": {data}"));
        for other in [r#"{"missed":null}"#, r#"{"data":"a"}"#, "text", ""] {
            check(true, other, &format!(": {other}"));
        }
    }

    #[test]
    fn no_server_can_steer_the_terminal() {
        check(
            ("a\u{1b}[31m", "\u{7}", "\u{1b}]0;title\u{7} \u{9b}2J \u{202e}abc é 🙂"),
            "21:08:14  a\\u{1b}[31m  \\u{7}  \\u{1b}]0;title\\u{7} \\u{9b}2J \\u{202e}abc é 🙂\n",
            "\"type\":\"a\\u001b[31m\",\"id\":\"\\u0007\",\
             \"data\":\"\\u001b]0;title\\u0007 \u{9b}2J \u{202e}abc é 🙂\"",
        );
    }

    #[test]
    fn comments_are_told_apart_from_events() {
        for (form, expected) in [
            (Form::Readable, ": hi\\u{1b}\n"),
            (Form::Json, "{\"comment\":\"hi\\u001b\"}\n"),
            (Form::Data, ""),
        ] {
            let mut out = anstream::StripStream::new(Vec::new());
            comment(&mut out, form, "hi\u{1b}").unwrap();
            assert_eq!(String::from_utf8(out.into_inner()).unwrap(), expected, "{form:?}");
        }
    }
}
