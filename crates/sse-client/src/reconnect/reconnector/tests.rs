//! The policy as facts: what happened, and what the reconnector decides.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// A reconnector with its own clock, so that tests read as a sequence of facts.
struct Story {
    reconnector: Reconnector,
    now: Instant,
}

fn story(policy: Reconnect) -> Story {
    Story { reconnector: Reconnector::new(policy), now: Instant::now() }
}

fn story_with_renewed_requests(policy: Reconnect) -> Story {
    Story { reconnector: Reconnector::with_renewed_requests(policy), now: Instant::now() }
}

/// The default policy, whose wait is only the backoff.
fn backoff_only() -> Reconnect {
    Reconnect::new().reconnection_times(Duration::ZERO..=Duration::ZERO)
}

impl Story {
    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn opened(&mut self) -> &mut Self {
        self.reconnector.opened(self.now);
        self
    }

    fn event(&mut self) -> &mut Self {
        self.reconnector.event_received();
        self
    }

    fn refused(&mut self, retry_after: Duration) -> Option<(Duration, Duration)> {
        self.reconnector.retry_after_received(retry_after);
        self.closed(Cause::Status(StatusCode::SERVICE_UNAVAILABLE))
    }

    fn asked_for(&mut self, time: Duration) -> &mut Self {
        self.reconnector.reconnection_time_received(time);
        self
    }

    /// The shortest and the longest wait after this cause, by the least and the greatest jitter, or `None` to stop.
    fn closed(&mut self, cause: Cause) -> Option<(Duration, Duration)> {
        let shortest = self.reconnector.clone().closed(cause, self.now, 0.0);
        match (shortest, self.reconnector.closed(cause, self.now, 1.0)) {
            (Decision::Wait(shortest), Decision::Wait(longest)) => Some((shortest, longest)),
            (Decision::Stop, Decision::Stop) | (Decision::GiveUp, Decision::GiveUp) => None,
            (shortest, longest) => panic!("the jitter decided: {shortest:?}, {longest:?}"),
        }
    }

    /// Returns the same without changing the story.
    fn clone_closed(&self, cause: Cause) -> Option<(Duration, Duration)> {
        Story { reconnector: self.reconnector.clone(), now: self.now }.closed(cause)
    }

    /// The longest wait, in seconds.
    fn seconds(&mut self, cause: Cause) -> Option<f64> {
        self.closed(cause).map(|(_, longest)| longest.as_secs_f64())
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn waits_double_up_to_a_minute() {
    let mut story = story(backoff_only());
    let waits: Vec<_> = (0..9).map(|_| story.seconds(Cause::Network)).collect();
    assert_eq!(waits, [1., 2., 4., 8., 16., 32., 60., 60., 60.].map(Some));
}

#[test]
fn a_healthy_connection_resets_the_backoff() {
    let mut story = story(backoff_only());
    for _ in 0..5 {
        story.closed(Cause::Network);
    }
    assert_eq!(story.opened().after(60 * SECOND).seconds(Cause::End), Some(1.));
    assert_eq!(story.seconds(Cause::Network), Some(1.), "the first failure after it");
    assert_eq!(story.seconds(Cause::Network), Some(2.));
}

#[test]
fn a_shorter_connection_with_an_event_halves_the_backoff() {
    let mut story = story(backoff_only());
    for _ in 0..5 {
        story.closed(Cause::Network);
    }
    let waits: Vec<_> = (0..6).map(|_| story.opened().event().seconds(Cause::End)).collect();
    assert_eq!(waits, [8., 4., 2., 1., 1., 1.].map(Some));
}

#[test]
fn a_connection_that_ends_at_once_is_a_failure() {
    let mut story = story(backoff_only());
    let waits: Vec<_> = (0..4).map(|_| story.opened().after(MILLISECOND).seconds(Cause::End)).collect();
    assert_eq!(waits, [1., 2., 4., 8.].map(Some));
}

#[test]
fn an_idle_time_out_is_a_failure_unless_there_was_an_event_or_the_connection_lasted() {
    let mut story = story(backoff_only().max_retries(2));
    for _ in 0..9 {
        assert_eq!(story.opened().after(60 * SECOND).seconds(Cause::IdleTimeout), Some(1.));
        assert_eq!(story.opened().event().after(5 * SECOND).seconds(Cause::IdleTimeout), Some(1.));
    }
    assert_eq!(story.opened().after(5 * SECOND).seconds(Cause::IdleTimeout), Some(1.));
    assert_eq!(story.opened().after(5 * SECOND).seconds(Cause::IdleTimeout), Some(2.));
    assert_eq!(story.opened().after(5 * SECOND).seconds(Cause::IdleTimeout), None);
}

#[test]
fn a_connection_without_an_event_that_outlives_the_wait_before_it_is_not_a_failure() {
    let mut story = story(backoff_only().max_retries(1));
    assert_eq!(
        story.opened().after(30 * SECOND).seconds(Cause::End),
        Some(1.),
        "there was no wait before it"
    );
    for _ in 0..100 {
        assert_eq!(story.opened().after(30 * SECOND).seconds(Cause::End), Some(1.));
    }
    assert_eq!(story.opened().after(SECOND).seconds(Cause::End), Some(1.));
    assert_eq!(story.opened().after(SECOND).seconds(Cause::End), None);
}

#[test]
fn the_wait_is_at_least_the_servers_reconnection_time() {
    let mut story = story(Reconnect::new());
    story.asked_for(3 * SECOND);
    assert_eq!(story.closed(Cause::End), Some((3 * SECOND, 4 * SECOND)));
    assert_eq!(story.closed(Cause::End), Some((3 * SECOND, 5 * SECOND)));
}

#[test]
fn the_reconnection_time_is_bounded() {
    let shortest = 100 * MILLISECOND;
    let mut story = story(Reconnect::new());
    assert_eq!(
        story.closed(Cause::End),
        Some((shortest, shortest + SECOND)),
        "before the server has asked for one"
    );
    story.asked_for(Duration::ZERO).opened().event();
    assert_eq!(story.closed(Cause::End), Some((shortest, shortest + shortest / 4)));
    story.asked_for(Duration::MAX).opened().event();
    assert_eq!(story.closed(Cause::End), Some((300 * SECOND, 301 * SECOND)));
    let mut late = self::story(Reconnect::standard().reconnection_times(10 * SECOND..=20 * SECOND));
    assert_eq!(late.closed(Cause::End), Some((10 * SECOND, 10 * SECOND)));
}

#[test]
fn temporary_statuses_are_tried_again() {
    for status in 100..=599 {
        let passes = matches!(status, 408 | 425 | 429 | 500..=599);
        let cause = Cause::Status(StatusCode::from_u16(status).unwrap());
        assert_eq!(story(Reconnect::new()).closed(cause).is_some(), passes, "{status}");
        assert_eq!(story(Reconnect::standard()).closed(cause), None, "{status}");
    }
    assert_eq!(story(Reconnect::new()).closed(Cause::ContentType), None);
    assert_eq!(story(Reconnect::new()).closed(Cause::Request), None);
}

#[test]
fn jitter_is_in_proportion_while_nothing_fails() {
    for (asked, expected) in [
        (100 * MILLISECOND, (100 * MILLISECOND, 125 * MILLISECOND)),
        (2 * SECOND, (2 * SECOND, 2500 * MILLISECOND)),
        // Never more than without a reconnection time.
        (60 * SECOND, (60 * SECOND, 61 * SECOND)),
    ] {
        let mut story = story(Reconnect::new());
        story.asked_for(asked);
        for _ in 0..3 {
            assert_eq!(story.opened().event().closed(Cause::End), Some(expected));
        }
        assert_eq!(story.closed(Cause::Network), Some((asked, asked + SECOND)), "a failure");
        assert_eq!(story.closed(Cause::Network), Some((asked, asked + 2 * SECOND)));
        assert_eq!(
            story.opened().event().closed(Cause::End),
            Some((asked, asked + SECOND)),
            "the backoff is halved"
        );
        assert_eq!(story.opened().event().closed(Cause::End), Some(expected), "nothing fails any more");
    }
    let mut story = story(Reconnect::new());
    let unasked = story.opened().event().closed(Cause::End);
    assert_eq!(
        unasked,
        Some((100 * MILLISECOND, 1100 * MILLISECOND)),
        "the clients may have lost their server at the same time"
    );
}

#[test]
fn the_standard_waits_the_reconnection_time() {
    let mut story = story(Reconnect::standard());
    for _ in 0..3 {
        assert_eq!(story.seconds(Cause::Network), Some(3.));
    }
    assert_eq!(story.asked_for(SECOND / 2).seconds(Cause::End), Some(0.5));
    assert_eq!(story.asked_for(3600 * SECOND).seconds(Cause::End), Some(3600.), "there is no upper bound");
    assert_eq!(story.asked_for(Duration::ZERO).seconds(Cause::End), Some(0.1), "there is a lower bound");
}

#[test]
fn failures_in_a_row_can_be_bounded() {
    for policy in [Reconnect::new(), Reconnect::standard()] {
        let mut story = story(policy.max_retries(2));
        for _ in 0..10 {
            assert!(story.closed(Cause::Network).is_some());
            assert!(story.opened().after(MILLISECOND).closed(Cause::End).is_some());
            assert!(story.opened().event().closed(Cause::End).is_some(), "an event ends the row of failures");
        }
        assert!(story.closed(Cause::Network).is_some());
        assert!(story.opened().after(MILLISECOND).closed(Cause::End).is_some());
        assert_eq!(story.reconnector.closed(Cause::Network, story.now, 0.0), Decision::GiveUp);
    }
    assert_eq!(story(Reconnect::new().max_retries(0)).closed(Cause::Network), None);
}

#[test]
fn retry_after_is_waited_for() {
    let mut story = story(Reconnect::new());
    assert_eq!(story.refused(30 * SECOND), Some((30 * SECOND, 31 * SECOND)));
    assert_eq!(
        story.seconds(Cause::Status(StatusCode::SERVICE_UNAVAILABLE)),
        Some(2.1),
        "it applies only once"
    );
    story.asked_for(60 * SECOND);
    assert_eq!(
        story.refused(30 * SECOND),
        Some((60 * SECOND, 64 * SECOND)),
        "the longer of both times counts"
    );
    assert_eq!(story.refused(Duration::MAX), Some((3600 * SECOND, 3608 * SECOND)), "an hour at most");
    let mut impatient = self::story(Reconnect::new().max_retry_after(SECOND));
    assert_eq!(impatient.refused(Duration::MAX), Some((SECOND, 2 * SECOND)));
    impatient.reconnector.retry_after_received(SECOND);
    assert_eq!(impatient.closed(Cause::Status(StatusCode::FORBIDDEN)), None, "a final status stays final");
}

#[test]
fn failures_can_be_bounded_in_time() {
    let mut story = story(Reconnect::new().max_elapsed(60 * SECOND));
    assert!(story.closed(Cause::Network).is_some());
    assert!(story.after(30 * SECOND).closed(Cause::Network).is_some());
    assert!(
        story.opened().event().after(40 * SECOND).closed(Cause::Network).is_some(),
        "a connection with an event is not a failure"
    );
    assert!(story.closed(Cause::Network).is_some(), "the first failure");
    assert!(story.after(55 * SECOND).closed(Cause::Network).is_some());
    assert_eq!(story.after(5 * SECOND).closed(Cause::Network), None, "the next attempt would come too late");
    let mut story = self::story(Reconnect::new().max_elapsed(60 * SECOND));
    assert_eq!(story.refused(61 * SECOND), None);
    assert_eq!(self::story(Reconnect::new().max_elapsed(Duration::ZERO)).closed(Cause::Network), None);
}

#[test]
fn a_request_that_is_renewed_may_be_unauthorized_once() {
    let unauthorized = Cause::Status(StatusCode::UNAUTHORIZED);
    assert_eq!(story(Reconnect::new()).closed(unauthorized), None);
    for policy in [Reconnect::new(), Reconnect::standard(), Reconnect::never()] {
        let mut story = story_with_renewed_requests(policy);
        assert_eq!(story.closed(unauthorized), Some((Duration::ZERO, Duration::ZERO)));
        assert_eq!(story.closed(unauthorized), None);
    }
    let mut story = story_with_renewed_requests(Reconnect::new());
    assert!(story.closed(unauthorized).is_some());
    assert!(story.closed(Cause::Network).is_some());
    assert_eq!(story.clone_closed(unauthorized), None, "there was no good response in between");
    assert!(story.opened().closed(Cause::End).is_some());
    assert!(story.closed(unauthorized).is_some(), "there was a good response in between");
}

#[test]
fn attempts_can_end_or_begin_with_the_first_response() {
    let unavailable = Cause::Status(StatusCode::SERVICE_UNAVAILABLE);
    for cause in [Cause::Network, unavailable, Cause::End] {
        let mut until = story(Reconnect::new().until_response());
        assert!(until.closed(cause).is_some() && until.closed(cause).is_some(), "{cause:?}");
        assert_eq!(until.opened().event().closed(cause), None, "{cause:?}");
        assert_eq!(until.closed(cause), None, "{cause:?}");

        assert_eq!(story(Reconnect::new().after_response()).closed(cause), None, "{cause:?}");
        let mut after = story(Reconnect::new().after_response());
        assert!(after.opened().closed(cause).is_some() && after.closed(cause).is_some(), "{cause:?}");
    }
    let forbidden = Cause::Status(StatusCode::FORBIDDEN);
    assert_eq!(story(Reconnect::new().until_response()).closed(forbidden), None);
    assert_eq!(story(Reconnect::new().after_response()).opened().closed(forbidden), None);
}

#[test]
fn never_is_never() {
    let mut story = story(Reconnect::never());
    assert_eq!(story.opened().event().reconnector.closed(Cause::End, Instant::now(), 0.0), Decision::Stop);
}

#[test]
fn a_long_backoff_doubles_all_the_way() {
    let day = 24 * 3600 * SECOND;
    let mut story = story(backoff_only().backoff(SECOND..=day));
    let longest = (0..20).map(|_| story.closed(Cause::Network)).max();
    assert_eq!(longest, Some(Some((Duration::ZERO, day))));
}

#[test]
fn contradictory_settings_do_not_panic() {
    let [short, long] = [SECOND, Duration::MAX];
    let mut story = story(Reconnect::new().backoff(long..=long).reconnection_times(long..=short));
    assert!(story.asked_for(SECOND).closed(Cause::Network).is_some());
    let mut reconnector = Reconnector::new(Reconnect::new());
    assert_ne!(reconnector.closed(Cause::Network, Instant::now(), f64::NAN), Decision::Stop);
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug)]
enum Fact {
    Opened,
    Event,
    Millis(u64),
    ReconnectionTime(u64),
    RetryAfter(u64),
    Closed(Cause),
}

fn cause() -> impl Strategy<Value = Cause> {
    let status = prop_oneof![(100u16..600), Just(401), Just(429), Just(503)];
    prop_oneof![
        3 => Just(Cause::Network),
        3 => Just(Cause::End),
        2 => status.prop_map(|status| Cause::Status(StatusCode::from_u16(status).unwrap())),
        1 => Just(Cause::ContentType),
        1 => Just(Cause::Request),
    ]
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(Fact::Opened),
        Just(Fact::Event),
        (0u64..200_000).prop_map(Fact::Millis),
        (0u64..40).prop_map(|bits| Fact::ReconnectionTime(1 << bits)),
        (0u64..40).prop_map(|bits| Fact::RetryAfter(1 << bits)),
        cause().prop_map(Fact::Closed),
    ]
}

/// Records a sequence of facts up to the end of the stream, and checks each decision.
#[track_caller]
fn check(mut story: Story, facts: &[Fact], jitter: f64) {
    let policy = story.reconnector.policy.clone();
    let mut retry_after = Duration::ZERO;
    // Without a good response in between, a 401 is tried again once.
    let mut renewed = false;
    for &fact in facts {
        match fact {
            Fact::Opened => {
                story.opened();
                renewed = false;
            }
            Fact::Event => drop(story.event()),
            Fact::Millis(millis) => drop(story.after(Duration::from_millis(millis))),
            Fact::ReconnectionTime(millis) => drop(story.asked_for(Duration::from_millis(millis))),
            Fact::RetryAfter(seconds) => {
                retry_after = Duration::from_secs(seconds);
                story.reconnector.retry_after_received(retry_after);
            }
            Fact::Closed(cause) => {
                let decision = story.reconnector.closed(cause, story.now, jitter);
                let asked = policy.bounded_retry_after(Some(std::mem::take(&mut retry_after)));
                let renews = story.reconnector.renews_requests
                    && !renewed
                    && cause == Cause::Status(StatusCode::UNAUTHORIZED);
                if renews {
                    assert_eq!(decision, Decision::Wait(Duration::ZERO));
                    renewed = true;
                    continue;
                }
                let is_final = !policy.tries_again_after(cause, story.reconnector.has_opened);
                assert_eq!(decision == Decision::Stop, is_final, "{cause:?}");
                let Decision::Wait(wait) = decision else { return };
                let [least, most] = [Duration::ZERO, Duration::MAX]
                    .map(|time| asked.max(policy.bounded_reconnection_time(Some(time))));
                assert!(wait >= least, "{wait:?} is too short");
                assert!(wait <= most.saturating_add(policy.longest_backoff()), "{wait:?} is too long");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_wait_is_within_its_bounds_and_no_attempt_follows_a_final_cause(
        facts in prop::collection::vec(fact(), 0..200), jitter in 0.0f64..=1.0, bound in 0u32..20,
    ) {
        let (until, after) = (Reconnect::new().until_response(), Reconnect::new().after_response());
        for policy in [Reconnect::new(), Reconnect::standard(), Reconnect::never(), until, after] {
            check(story(policy.clone()), &facts, jitter);
            check(story_with_renewed_requests(policy.clone()), &facts, jitter);
            check(story(policy.max_retries(bound).max_elapsed(bound * 60 * SECOND)), &facts, jitter);
        }
    }
}
