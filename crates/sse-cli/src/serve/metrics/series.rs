//! Which topics have lines of their own, and the values of all lines.
//!
//! No counter goes back: not when a topic is dropped or made again, and not when a topic gets a line of its own. And
//! the sum over all lines is always the total of the hub.

use std::array;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sse_server::{Stats, TopicsStats};

/// A counter: its name, what it is, and where its value stands.
pub(super) type Counter = (&'static str, &'static str, fn(&Stats) -> u64);

/// How many counters there are.
pub(super) const COUNT: usize = 10;

pub(super) const COUNTERS: [Counter; COUNT] = [
    ("sse_published_total", "Events published.", |stats| stats.published),
    ("sse_repeated_total", "Repeats, which were not published again.", |stats| stats.repeated),
    ("sse_delivered_total", "Events handed to connections.", |stats| stats.delivered),
    ("sse_delivered_bytes_total", "Bytes of the events delivered.", |stats| stats.bytes),
    ("sse_replayed_total", "Events delivered from the history.", |stats| stats.replayed),
    ("sse_evicted_total", "Events evicted to make room for other topics.", |stats| stats.evicted),
    ("sse_gaps_total", "Gap events sent.", |stats| stats.gaps),
    ("sse_lagged_total", "Subscribers that lagged and missed events.", |stats| stats.lagged),
    ("sse_refused_total", "Subscriptions refused by the topic.", |stats| stats.refused),
    ("sse_stalled_total", "Subscribers cut because they took nothing.", |stats| stats.stalled),
];

type Counts = [u64; COUNT];

/// The values of one topic, or of all topics without lines of their own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// `None` for all others.
    pub(super) topic: Option<Arc<str>>,
    pub(super) counters: Counts,
    /// The numbers that are not counters.
    pub(super) now: Stats,
}

/// The topics that have lines of their own: the first that had an event. They keep them, also when they are dropped.
#[derive(Debug)]
pub(super) struct Series {
    most: usize,
    own: BTreeMap<Arc<str>, Own>,
}

/// What is known of a topic that has its own lines.
#[derive(Debug)]
struct Own {
    /// The name as the topic holds it: a later topic of this name has another copy.
    topic: Arc<str>,
    /// What earlier topics of this name have counted, as far as it was seen.
    earlier: Counts,
    /// What the topic had counted when it was last seen.
    last: Counts,
    /// What it had counted before it had its own lines. That was in the line of the others, and stays there.
    before: Counts,
}

impl Series {
    /// So many topics have lines of their own at most.
    pub(super) fn up_to(most: usize) -> Self {
        Self { most, own: BTreeMap::new() }
    }

    /// The lines by topic, and those of all others at the end.
    pub(super) fn rows(&mut self, stats: &TopicsStats) -> Vec<Row> {
        let topics: HashMap<_, _> =
            stats.topics.iter().map(|(name, stats)| (&**name, (name, stats))).collect();
        for (name, stats) in &stats.topics {
            if self.own.len() < self.most && has_events(stats) && !self.own.contains_key(name) {
                self.own.insert(name.clone(), Own::new(name, stats));
            }
        }
        let mut rows: Vec<_> = self
            .own
            .iter_mut()
            .map(|(name, own)| {
                let now = topics.get(&**name);
                if let Some((topic, now)) = now {
                    own.see(topic, counts(now));
                }
                let now = now.map(|(_, now)| **now).unwrap_or_default();
                Row { topic: Some(name.clone()), counters: own.counters(), now }
            })
            .collect();
        let mut others = Row { topic: None, counters: counts(&stats.total), now: stats.total };
        for row in &rows {
            others.take_out(row);
        }
        rows.push(others);
        rows
    }
}

impl Own {
    fn new(topic: &Arc<str>, stats: &Stats) -> Self {
        // A topic without events may have been in the line of the others, but only by what its subscribers did.
        let mut of_subscribers = *stats;
        for of_events in [
            &mut of_subscribers.published,
            &mut of_subscribers.repeated,
            &mut of_subscribers.delivered,
            &mut of_subscribers.bytes,
            &mut of_subscribers.replayed,
            &mut of_subscribers.evicted,
        ] {
            *of_events = 0;
        }
        let [earlier, last] = [Counts::default(); 2];
        Self { topic: topic.clone(), earlier, last, before: counts(&of_subscribers) }
    }

    /// Takes over what the topic has counted now.
    fn see(&mut self, topic: &Arc<str>, now: Counts) {
        if !Arc::ptr_eq(topic, &self.topic) {
            (self.earlier, self.before) = (self.counters(), Counts::default());
            self.topic = topic.clone();
        }
        self.last = now;
    }

    fn counters(&self) -> Counts {
        array::from_fn(|n| (self.earlier[n] + self.last[n]).saturating_sub(self.before[n]))
    }
}

impl Row {
    /// Subtracts the values of another row.
    fn take_out(&mut self, row: &Self) {
        self.counters = array::from_fn(|n| self.counters[n].saturating_sub(row.counters[n]));
        for (sum, part) in [
            (&mut self.now.subscribers, row.now.subscribers),
            (&mut self.now.catching_up, row.now.catching_up),
            (&mut self.now.history, row.now.history),
            (&mut self.now.memory, row.now.memory),
        ] {
            *sum = sum.saturating_sub(part);
        }
    }
}

fn counts(stats: &Stats) -> Counts {
    COUNTERS.map(|(_, _, value)| value(stats))
}

fn has_events(stats: &Stats) -> bool {
    stats.published > 0 || stats.delivered > 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sse_server::{Message, Topics};

    use super::*;

    /// The events published: of each topic that has its own lines, and of all others.
    fn published(series: &mut Series, topics: &Topics) -> Vec<(String, u64)> {
        let rows = series.rows(&topics.stats());
        rows.iter().map(|row| (row.topic.as_deref().unwrap_or("*").to_owned(), row.counters[0])).collect()
    }

    fn publish(topics: &Topics, name: &str) {
        topics.route(name).unwrap().publish(&Message::new("x")).unwrap();
    }

    #[track_caller]
    fn check(series: &mut Series, topics: &Topics, expected: &[(&str, u64)]) {
        let expected: Vec<_> = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(published(series, topics), expected);
    }

    #[test]
    fn the_first_topics_with_events_have_their_own_lines_and_keep_them() {
        let topics = Topics::builder().max_topics(2).build();
        let mut series = Series::up_to(2);
        let _invented = topics.subscribe_from("", ["invented"]);
        check(&mut series, &topics, &[("*", 0)]);
        publish(&topics, "b");
        publish(&topics, "a");
        check(&mut series, &topics, &[("a", 1), ("b", 1), ("*", 0)]);
        // It replaces one of them.
        publish(&topics, "c");
        check(&mut series, &topics, &[("a", 1), ("b", 1), ("*", 1)]);
        publish(&topics, "b");
        publish(&topics, "a");
        check(&mut series, &topics, &[("a", 2), ("b", 2), ("*", 1)]);
    }

    proptest! {
        /// Topics come and go between looks at random: no line goes back, and their sum is what was published.
        #[test]
        fn no_counter_goes_back_and_their_sum_is_right(
            steps in prop::collection::vec(prop::option::of(0usize..5), 1..60), most in 0usize..4,
        ) {
            let topics = Topics::builder().max_topics(2).build();
            let (mut series, mut sum) = (Series::up_to(most), 0);
            let mut before: HashMap<String, u64> = HashMap::new();
            for step in steps {
                let Some(topic) = step else {
                    let lines = published(&mut series, &topics);
                    prop_assert_eq!(lines.iter().map(|(_, count)| count).sum::<u64>(), sum);
                    prop_assert!(lines.len() <= most + 1);
                    for (name, count) in lines {
                        let before = before.insert(name.clone(), count).unwrap_or_default();
                        prop_assert!(before <= count, "{}: {} after {}", name, count, before);
                    }
                    continue;
                };
                publish(&topics, ["a", "b", "c", "d", "e"][topic]);
                sum += 1;
            }
        }
    }
}
