//! What must come for the listening to succeed.

use sse_client::Event;

use crate::failure::{Exit, Failure};

/// The events after which the listening ends.
#[derive(Debug)]
pub(crate) struct Goal {
    /// How many events are to be passed on.
    count: Option<u64>,
    until: Until,
    passed_on: u64,
    /// The event that ends the stream has come.
    has_ended: bool,
}

/// The event that ends the listening has one of these types, or one of these data.
#[derive(Debug, Default)]
pub(crate) struct Until {
    pub(crate) types: Vec<String>,
    pub(crate) data: Vec<String>,
    /// The client knows the event, and tells if it did not come.
    pub(crate) is_known_to_client: bool,
}

impl Until {
    fn is_set(&self) -> bool {
        !self.types.is_empty() || !self.data.is_empty()
    }

    fn is(&self, event: &Event) -> bool {
        self.types.iter().any(|wanted| wanted == event.event_type())
            || self.data.iter().any(|wanted| wanted == event.data())
    }
}

impl Goal {
    pub(crate) fn new(count: Option<u64>, until: Until) -> Self {
        Self { count, until, passed_on: 0, has_ended: false }
    }

    /// Returns whether there is nothing more to wait for.
    pub(crate) fn is_reached(&self) -> bool {
        self.has_ended || self.count == Some(self.passed_on)
    }

    /// Records an event, whether it is passed on or not.
    pub(crate) fn came(&mut self, event: &Event) {
        self.has_ended |= self.until.is(event);
    }

    /// Records that the event was passed on.
    pub(crate) fn passed_on(&mut self) {
        self.passed_on += 1;
    }

    /// Returns the result when the goal is reached.
    pub(crate) fn reached(&self) -> Result<(), Failure> {
        if self.until.is_set() && !self.has_ended {
            let text = format!("{} events came before the event that ends the stream", self.passed_on);
            return Err(Failure::new(Exit::Incomplete, text));
        }
        Ok(())
    }

    /// Returns the result when the server has no more events.
    pub(crate) fn stream_is_over(&self) -> Result<(), Failure> {
        match self.count {
            _ if self.until.is_set() && !self.has_ended => {
                Err(Failure::new(Exit::Incomplete, "the stream ended before the event that ends it"))
            }
            Some(count) if count != self.passed_on && !self.has_ended => {
                Err(Failure::failed(format!("the stream is over after {} of {count} events", self.passed_on)))
            }
            _ => Ok(()),
        }
    }

    /// Returns the result when the time is up.
    pub(crate) fn time_is_up(&self) -> Result<(), Failure> {
        let text = match self.count {
            None if !self.waits_for_end() => return Ok(()),
            None => "the time is up before the event that ends the stream".to_owned(),
            Some(count) => format!("the time is up after {} of {count} events", self.passed_on),
        };
        Err(Failure::new(Exit::TimedOut, text))
    }

    /// Returns the exit code for the end of the time, if nobody reads the output.
    pub(crate) fn code_without_reader(&self) -> u8 {
        if self.count.is_some() || self.waits_for_end() { Exit::TimedOut as u8 } else { 0 }
    }

    fn waits_for_end(&self) -> bool {
        self.until.is_set() || self.until.is_known_to_client
    }
}

#[cfg(test)]
mod tests {
    use sse_client::EventType;

    use super::*;

    /// A goal, after these events of a type and data have come and were passed on.
    fn after(count: Option<u64>, types: &[&str], data: &[&str], events: &[(&str, &str)]) -> Goal {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let until = Until { types: owned(types), data: owned(data), is_known_to_client: false };
        let mut goal = Goal::new(count, until);
        for &(event_type, data) in events {
            assert!(!goal.is_reached());
            let mut event = Event::new(data);
            event.set_event_type(&EventType::new(event_type).unwrap());
            goal.came(&event);
            goal.passed_on();
        }
        goal
    }

    /// Checks whether the goal is reached, and the codes at the end of the stream and when the time is up.
    #[track_caller]
    fn check(goal: &Goal, is_reached: bool, over: u8, timed_out: u8) {
        let code = |result: Result<(), Failure>| result.map_or_else(|failure| failure.exit() as u8, |()| 0);
        assert_eq!(goal.is_reached(), is_reached);
        assert_eq!((code(goal.stream_is_over()), code(goal.time_is_up())), (over, timed_out), "{goal:?}");
    }

    #[test]
    fn without_a_goal_every_end_is_a_good_one() {
        check(&after(None, &[], &[], &[("message", "1")]), false, 0, 0);
    }

    #[test]
    fn a_count_is_reached_or_not() {
        check(&after(Some(0), &[], &[], &[]), true, 0, 4);
        check(&after(Some(2), &[], &[], &[("message", "1")]), false, 1, 4);
        check(&after(Some(1), &[], &[], &[("message", "1")]), true, 0, 4);
    }

    #[test]
    fn the_end_is_an_event_of_a_type_or_with_data() {
        check(&after(None, &["done"], &[], &[("message", "done")]), false, 5, 4);
        check(&after(None, &["done"], &[], &[("message", "1"), ("done", "")]), true, 0, 4);
        check(&after(None, &["a", "done"], &["EOF"], &[("message", "EOF")]), true, 0, 4);
        check(&after(None, &[], &["EOF"], &[("message", "EOF ")]), false, 5, 4);
        check(&after(None, &[], &[""], &[("message", "")]), true, 0, 4);
    }

    #[test]
    fn a_count_does_not_stand_in_for_the_end() {
        let goal = after(Some(1), &["done"], &[], &[("message", "1")]);
        assert!(goal.is_reached());
        assert_eq!(goal.reached().unwrap_err().exit(), Exit::Incomplete);
        assert!(after(Some(2), &["done"], &[], &[("done", "1")]).reached().is_ok());
    }
}
