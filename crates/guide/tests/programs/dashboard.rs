//! The dashboard, by its page in a browser. Its handlers have tests of their own, which the guide shows.

use browser_tests::Browser;
use serde_json::json;
use sse_client::reqwest::header::AUTHORIZATION;
use sse_client::{Error, EventSource};

use crate::program::Program;
use crate::{SOON, check_data, http_client, next, post};

const PATH: &str = env!("CARGO_BIN_EXE_dashboard");

async fn set(server: &Program, order: &str, state: &'static str) {
    let url = server.url(&format!("/orders/{order}"));
    let response = http_client().put(url).body(state).send().await.expect("an answer");
    assert_eq!(response.status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_gets_the_orders_and_their_own_notices() {
    let server = Program::start(PATH, &[]);
    set(&server, "7", "paid").await;
    let alice = EventSource::builder_for(server.url("/events")).unwrap();
    let mut alice = alice.header(AUTHORIZATION, "Bearer alice-token".parse().unwrap()).build().unwrap();
    check_data(&[next(&mut alice).await], &[r#"{"7":"paid"}"#]);
    for (user, text) in [("bob", "for Bob"), ("alice", "for Alice")] {
        assert_eq!(post(&server.url(&format!("/notices/{user}")), text).await.status(), 204);
    }
    set(&server, "7", "sent").await;
    let events = [next(&mut alice).await, next(&mut alice).await];
    check_data(&events, &["for Alice", r#"{"id":"7","state":"sent"}"#]);

    let mut stranger = EventSource::get(server.url("/events?token=wrong")).unwrap();
    let refusal = stranger.next().await.expect("an error").unwrap_err();
    assert_eq!(refusal.status().map(|status| status.as_u16()), Some(401));
    assert!(matches!(refusal, Error::Status(_)), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_orders_and_comes_back_after_a_restart_and_after_an_error() {
    let mut server = Program::start(PATH, &[]);
    set(&server, "7", "paid").await;
    let browser = Browser::launch().unwrap();
    let page = browser.open(&server.url("/?token=alice-token")).unwrap();
    let shows = |text: &str| {
        let shown =
            "document.querySelector('#orders').textContent + document.querySelector('#notices').textContent";
        page.wait_for(&format!("{shown} === {}", json!(text)), SOON).unwrap();
    };
    shows("7: paid");
    set(&server, "7", "sent").await;
    assert_eq!(post(&server.url("/notices/alice"), "Hello").await.status(), 204);
    shows("7: sentHello");

    // The connection breaks: the browser comes back by itself. The orders of the new process are others.
    server.restart(PATH, &[]);
    set(&server, "8", "new").await;
    shows("8: newHello");
    page.wait_for("document.querySelector('#state').textContent === 'live'", SOON).unwrap();

    // A status that is final for the browser, as a proxy's 502 would be: the page makes a new EventSource.
    let refused = "(() => {
        const onerror = source.onerror;
        source.close();
        source = Object.assign(new EventSource('orders/8'), { onerror });
    })()";
    page.evaluate(refused).unwrap();
    page.wait_for("document.querySelector('#state').textContent === 'reconnecting'", SOON).unwrap();
    // It names the last event ID, so that no notice is missing.
    assert_eq!(post(&server.url("/notices/alice"), ", Alice").await.status(), 204);
    shows("8: newHello, Alice");
    page.wait_for("document.querySelector('#state').textContent === 'live'", SOON).unwrap();
    set(&server, "8", "paid").await;
    shows("8: paidHello, Alice");
}
