//! The hub's numbers as Prometheus reads them (text format 0.0.4).

use std::fmt::Write as _;

use sse_server::{LogStats, Stats};

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric: its name, its kind, what it is, and where its value stands.
type Metric<T> = (&'static str, &'static str, &'static str, fn(&T) -> u64);

const OF_TOPICS: [Metric<Stats>; 12] = [
    ("sse_topic_subscribers", "gauge", "Subscribers of the topic.", |stats| stats.subscribers as u64),
    ("sse_topic_catching_up", "gauge", "Subscribers that have not read everything.", |stats| {
        stats.catching_up as u64
    }),
    ("sse_published_total", "counter", "Events published.", |stats| stats.published),
    ("sse_repeated_total", "counter", "Repeats, which were not published again.", |stats| stats.repeated),
    ("sse_delivered_total", "counter", "Events handed to connections.", |stats| stats.delivered),
    ("sse_delivered_bytes_total", "counter", "Bytes of the events delivered.", |stats| stats.bytes),
    ("sse_replayed_total", "counter", "Events delivered from the history.", |stats| stats.replayed),
    ("sse_gaps_total", "counter", "Gap events sent.", |stats| stats.gaps),
    ("sse_lagged_total", "counter", "Subscribers that lagged and missed events.", |stats| stats.lagged),
    ("sse_refused_total", "counter", "Subscriptions refused by the topic.", |stats| stats.refused),
    ("sse_evicted_total", "counter", "Events evicted for those of other topics.", |stats| stats.evicted),
    ("sse_stalled_total", "counter", "Subscribers cut because they took nothing.", |stats| stats.stalled),
];

const OF_THE_LOG: [Metric<LogStats>; 8] = [
    ("sse_log_following", "gauge", "1 if the log is followed.", |log| u64::from(log.is_following)),
    ("sse_log_queued", "gauge", "Events that wait to be appended.", |log| log.queued as u64),
    ("sse_log_appended_total", "counter", "Events appended.", |log| log.appended),
    ("sse_log_failed_total", "counter", "Events given up.", |log| log.failed),
    ("sse_log_retries_total", "counter", "Appends repeated.", |log| log.retries),
    ("sse_log_reads_total", "counter", "Reads of old events for subscribers that resume.", |log| log.reads),
    ("sse_log_interruptions_total", "counter", "How often the log could not be followed.", |log| {
        log.interruptions
    }),
    ("sse_log_losses_total", "counter", "How often the log had lost events.", |log| log.losses),
];

/// The numbers of the hub, of its topics, and of its log.
pub(crate) fn text(subscribers: usize, topics: &[(Box<str>, Stats)], log: Option<&LogStats>) -> String {
    let mut text = String::new();
    head(&mut text, "sse_subscribers", "gauge", "Event streams, of one topic or of several.");
    line(&mut text, "sse_subscribers", None, subscribers as u64);
    head(&mut text, "sse_topics", "gauge", "Topics.");
    line(&mut text, "sse_topics", None, topics.len() as u64);
    for (name, kind, help, value) in OF_TOPICS {
        head(&mut text, name, kind, help);
        for (topic, stats) in topics {
            line(&mut text, name, Some(topic), value(stats));
        }
    }
    for (name, kind, help, value) in OF_THE_LOG {
        let Some(log) = log else { break };
        head(&mut text, name, kind, help);
        line(&mut text, name, None, value(log));
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, topic: Option<&str>, value: u64) {
    let _ = match topic {
        None => writeln!(text, "{name} {value}"),
        // Names have no control characters.
        Some(topic) => {
            let topic = topic.replace('\\', r"\\").replace('"', r#"\""#);
            writeln!(text, "{name}{{topic=\"{topic}\"}} {value}")
        }
    };
}

#[cfg(test)]
mod tests {
    use sse_server::{Message, Topics};

    use super::*;

    #[test]
    fn each_number_has_its_help_its_kind_and_its_topic() {
        let topics = Topics::new();
        for name in ["a", r#"b"\"#] {
            topics.route(name).unwrap().publish(&Message::new(name)).unwrap();
        }
        let mut stats: Vec<_> =
            topics.routes().into_iter().map(|(name, route)| (name, route.stats())).collect();
        stats.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let text = text(7, &stats, None);
        let published = "\
# HELP sse_published_total Events published.
# TYPE sse_published_total counter
sse_published_total{topic=\"a\"} 1
sse_published_total{topic=\"b\\\"\\\\\"} 1
";
        assert!(text.contains(published), "{text}");
        assert!(text.contains("\nsse_subscribers 7\n"), "{text}");
        assert!(text.contains("\nsse_topics 2\n"), "{text}");
        assert!(!text.contains("sse_log"), "{text}");
        assert!(super::text(0, &[], Some(&LogStats::default())).contains("\nsse_log_following 0\n"));
    }
}
