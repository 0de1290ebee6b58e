//! The live page of `sse serve`, used as its users do.

#[path = "../../sse-codec/tests/common/cases.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod cases;
mod common;
#[path = "../../sse-codec/tests/common/oracle.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod oracle;
#[path = "../../sse-codec/tests/common/trouble.rs"]
#[allow(unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod trouble;

use std::time::Duration;
use std::{fs, thread};

use browser_tests::Browser;
use common::SOON;
use common::hub::{
    Hub, events, has_no_errors, pairs, shows, shows_topic, tab_to, wait_for_events, wait_until_connected,
};
use oracle::interpret;
use serde_json::{Value, json};
use trouble::PIECES;

#[test]
fn an_empty_hub_invites_and_shows_all_that_is_published_from_the_first_event_on() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    let page = hub.page(&browser);
    shows(&page, "#nothing-why", "Nothing has been published yet");
    shows(&page, "#invitation", &format!("curl --data-binary Hello http://{}/topics/news\n", hub.address));
    shows(&page, "#invitation", &format!("sse publish http://{}/topics/news Hello\n", hub.address));

    hub.publish("news", "first");
    wait_for_events(&page, 1);
    hub.publish("prices%2Ftea?type=price", r#"{"tea":0.10,"old":[12345678901234567890]}"#);
    wait_for_events(&page, 2);
    let json = r#"{"tea":0.10,"old":[12345678901234567890]}"#;
    assert_eq!(events(&page), pairs(&[("message", "first"), ("price", json)]));
    shows_topic(&page, "news", 1, 1);
    shows_topic(&page, "prices/tea", 1, 1);
    shows(&page, "#topics-count", "2");
    shows(&page, "#connections", "2");
    shows(&page, "#events-about", "2 events of news, prices/tea");
    page.wait_for("/[1-9]\\S* at most/.test(document.querySelector('#published-plot').ariaLabel)", SOON)
        .unwrap();

    // Unfolded, JSON has lines, and each number is what it was.
    page.evaluate("document.querySelector('#events details').open = true").unwrap();
    shows(
        &page,
        "#events details pre",
        "{\n  \"tea\": 0.10,\n  \"old\": [\n    12345678901234567890\n  ]\n}",
    );
    has_no_errors(&page);
}

#[test]
fn the_keyboard_is_enough() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    let page = hub.page(&browser);
    tab_to(&page, "#topic");
    page.write("harbour").unwrap();
    tab_to(&page, "#type");
    page.write("ship").unwrap();
    tab_to(&page, "#data");
    page.write("Halcyon, under full sail\nnorthbound").unwrap();
    page.press("Control+Enter").unwrap();
    shows(&page, "#answer", "Published with the id ");
    wait_for_events(&page, 1);
    page.evaluate("document.querySelector('#events details').open = true").unwrap();
    let shown = page.wait_for("document.querySelector('#events dd').textContent", SOON).unwrap();
    let told = page.evaluate("document.querySelector('#answer').textContent.split(' ').at(-1)").unwrap();
    assert_eq!(shown, told, "the id of the answer is that of the event");
    assert_eq!(events(&page), pairs(&[("ship", "Halcyon, under full sail ⏎ northbound")]));

    // A `p` is text where there is text, and a command elsewhere.
    page.press("p").unwrap();
    assert_eq!(page.evaluate("document.querySelector('#pause').ariaPressed").unwrap(), "false");
    tab_to(&page, "#pause");
    page.press("p").unwrap();
    hub.publish("harbour", "held");
    shows(&page, "#pause", "Resume (1)");
    assert_eq!(events(&page).len(), 1);
    page.press("p").unwrap();
    wait_for_events(&page, 2);

    // The page says why it was refused.
    page.evaluate(
        "document.querySelector('#type').value = 'a'; document.querySelector('#topic').value = ' a'",
    )
    .unwrap();
    page.evaluate("document.querySelector('#publish').requestSubmit()").unwrap();
    shows(&page, "#answer", "spaces around it");
    has_no_errors(&page);
}

#[test]
fn the_topics_that_are_chosen_come_over_one_connection_and_nothing_is_missed_or_doubled() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    for topic in ["a", "b", "c"] {
        hub.publish(topic, &format!("before {topic}"));
    }
    let page = hub.page(&browser);
    wait_for_events(&page, 3);
    shows_topic(&page, "c", 1, 1);

    tab_to(&page, "#topics button");
    page.press("Enter").unwrap();
    page.press("ArrowDown").unwrap();
    page.press("Enter").unwrap();
    assert_eq!(page.evaluate("location.hash").unwrap(), "#topic=a&topic=b");
    shows_topic(&page, "c", 0, 1);
    shows(&page, "#connections", "2");
    shows(&page, "#events-about", "2 events of a, b,");
    for (topic, data) in [("a", "1"), ("c", "2"), ("b", "3"), ("a", "4")] {
        hub.publish(topic, data);
    }
    wait_for_events(&page, 5);
    let expected = ["before a", "before b", "1", "3", "4"].map(|data| ("message", data));
    assert_eq!(events(&page), pairs(&expected));

    // The choice changes at any time: `a` stays, and has every number once.
    let numbers: Vec<String> = (0..150).map(|number| format!("number {number}")).collect();
    let changes = thread::scope(|scope| {
        let publishing = scope.spawn(|| numbers.iter().for_each(|number| hub.publish("a", number)));
        let mut changes = 0;
        while !publishing.is_finished() || changes % 2 == 1 {
            page.evaluate("document.querySelectorAll('#topics button')[1].click()").unwrap();
            changes += 1;
        }
        changes
    });
    assert!(changes > 2);
    shows(&page, "#events li .data", "number 149");
    let shown = events(&page).into_iter().map(|(_, data)| data).filter(|data| data.starts_with("number"));
    assert_eq!(shown.collect::<Vec<_>>(), numbers);

    // A link has the choice in it.
    let page = browser.open(&format!("http://{}/#topic=c", hub.address)).unwrap();
    shows(&page, "#events-about", "2 events of c,");
    shows(&page, "#topics [aria-pressed=true]", "c");
    has_no_errors(&page);
}

#[test]
fn a_new_topic_is_seen_from_its_first_event_on_whatever_comes_in_between() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    hub.publish("busy", "before");
    let page = hub.page(&browser);
    shows_topic(&page, "busy", 1, 1);

    let mut expected = vec!["before".to_owned()];
    let publish = |topic: &str, data: String| {
        hub.publish(topic, &data);
        data
    };
    for new in 0..5 {
        expected.push(publish(&format!("new-{new}"), format!("first of {new}")));
        // Until the page knows the topic, events of the other go on.
        let is_known = format!("document.querySelector('#topics').textContent.includes('new-{new}')");
        while page.evaluate(&is_known).unwrap() == false {
            // The list shows 200 events at most, and the page may be slow.
            if expected.len() < 35 * (new + 1) {
                expected.push(publish("busy", format!("busy {}", expected.len())));
            }
            page.wait_for("new Promise((next) => setTimeout(next, 50, true))", SOON).unwrap();
        }
    }
    wait_for_events(&page, expected.len());
    let mut shown: Vec<_> = events(&page).into_iter().map(|(_, data)| data).collect();
    expected.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, expected);
    has_no_errors(&page);
}

#[test]
fn a_restart_is_told_and_survived() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    let page = hub.page(&browser);
    hub.publish("news", "old");
    wait_for_events(&page, 1);
    shows_topic(&page, "news", 1, 1);

    let address = hub.address.clone();
    drop(hub);
    shows(&page, "#state", "Reconnecting");
    shows(&page, "#detail", "does not answer. The figures are of ");
    shows(&page, "#detail", "Next attempt in ");
    let hub = Hub::start_at(&address, &[]);
    wait_until_connected(&page);
    hub.publish("news", "new");
    shows(&page, "#events li .data", "new");
    // The new hub knows nothing of the old one's events.
    let expected = [("message", "old"), ("gap", "events may be missing here"), ("message", "new")];
    assert_eq!(events(&page), pairs(&expected));
    shows_topic(&page, "news", 1, 1);
    has_no_errors(&page);
}

#[test]
fn tokens_are_asked_for_and_used() {
    const SUBSCRIBE: &str = "subscribe-0123456789";
    const PUBLISH: &str = "publish-0123456789";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, format!("publish {PUBLISH}\nsubscribe {SUBSCRIBE}\n")).unwrap();
    let (hub, browser) = (Hub::start(&["--token-file", file.to_str().unwrap()]), Browser::launch().unwrap());
    let page = browser.open(&format!("http://{}/", hub.address)).unwrap();
    shows(&page, "#state", "A token is needed");
    shows(&page, "#tokens-why", "A token is needed to subscribe");

    // It has the focus already. A wrong one is refused, and asked for again.
    page.write("not-the-right-token").unwrap();
    page.press("Enter").unwrap();
    shows(&page, "#tokens-why", "does not know this token to subscribe");
    page.wait_for("document.activeElement.id === 'subscribe-token'", SOON).unwrap();
    page.write(SUBSCRIBE).unwrap();
    page.press("Enter").unwrap();
    wait_until_connected(&page);

    page.wait_for("document.activeElement.id === 'topic'", SOON).unwrap();
    page.write("news").unwrap();
    page.press("Enter").unwrap();
    shows(&page, "#tokens-why", "This token does not have the right to publish");
    page.wait_for("document.activeElement.id === 'publish-token'", SOON).unwrap();
    page.write(PUBLISH).unwrap();
    page.press("Enter").unwrap();
    page.wait_for("document.querySelector('#tokens').hidden", SOON).unwrap();
    wait_until_connected(&page);
    page.press("Enter").unwrap();
    shows(&page, "#answer", "Published with the id");
    wait_for_events(&page, 1);

    // No address has a token in it.
    while let Some(request) = page.next_request(Duration::ZERO).unwrap() {
        assert!(!request.url.contains("0123456789"), "{}", request.url);
    }
    has_no_errors(&page);
}

#[test]
fn hostile_names_and_data_do_no_harm() {
    const HOSTILE: &str = "<img src=x onerror=window.harm=1>";
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    let page = hub.page(&browser);
    hub.publish(
        "%3Cimg%20src=x%20onerror=window.harm=1%3E?type=%3Cimg%20src=x%20onerror=window.harm=1%3E",
        HOSTILE,
    );
    hub.publish("long", &"x".repeat(1 << 20));
    hub.publish("long", &"[".repeat(20_000));
    hub.publish("control", "a\u{1b}[31m\0\u{202e}b\u{7f}");
    hub.publish("control?type=__proto__", r#"{"__proto__":{"harm":1}}"#);
    wait_for_events(&page, 5);
    let shown = events(&page);
    assert_eq!(shown[0], (HOSTILE.to_owned(), HOSTILE.to_owned()));
    assert_eq!(shown[3].1, "a␛[31m␀\u{fffd}b␡");
    page.evaluate(
        "document.querySelectorAll('#events details').forEach((details) => { details.open = true; })",
    )
    .unwrap();
    page.wait_for("document.querySelectorAll('#events pre').length === 5", SOON).unwrap();
    shows(&page, "#events", "1,048,576 characters");
    assert_eq!(page.evaluate("document.querySelector('main img')").unwrap(), Value::Null);
    assert_eq!(page.evaluate("window.harm ?? ({}).harm").unwrap(), Value::Null);
    assert!(page.evaluate("document.body.textContent.length").unwrap().as_u64().unwrap() < 100_000);

    // The list is bounded, however much comes.
    let lines = "{\"data\":\"x\"}\n".repeat(1000);
    let publish = format!(
        "fetch('/topics/long', {{ method: 'POST', headers: {{ 'content-type': 'application/x-ndjson' }}, body: {} }})\
         .then((answer) => answer.ok)",
        json!(lines)
    );
    assert_eq!(page.evaluate(&publish).unwrap(), true);
    shows(&page, "#events-about", "1,005 events");
    page.wait_for("document.querySelector('#events').childElementCount === 200", SOON).unwrap();
    has_no_errors(&page);
}

#[test]
fn the_page_reads_streams_as_the_standard_says() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    let page = hub.page(&browser);
    let mut streams: Vec<Vec<u8>> = cases::all().into_iter().map(|case| case.stream).collect();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..1000 {
        let count = random.usize(1..40);
        streams.push((0..count).flat_map(|_| PIECES[random.usize(..PIECES.len())]).copied().collect());
    }
    // Each whole, and byte by byte.
    let read = format!(
        "import('/stream.js').then(({{ Parser }}) => {}.map((bytes) => [bytes.length, 1].map((step) => {{
            const [parser, decoder, events] = [new Parser(), new TextDecoder(), []];
            for (let at = 0; at < bytes.length; at += step) {{
                const text = decoder.decode(new Uint8Array(bytes.slice(at, at + step)), {{ stream: true }});
                for (const {{ type, data, id }} of parser.events(text)) events.push([type, data, id]);
            }}
            return events;
        }})))",
        json!(streams)
    );
    let found: Vec<[Vec<(String, String, String)>; 2]> =
        serde_json::from_value(page.evaluate(&read).unwrap()).unwrap();
    assert_eq!(found.len(), streams.len());
    for (stream, [whole, apart]) in streams.iter().zip(found) {
        let expected = interpret(stream).events;
        assert_eq!(whole, expected, "{}", stream.escape_ascii());
        assert_eq!(apart, expected, "byte by byte: {}", stream.escape_ascii());
    }
}
