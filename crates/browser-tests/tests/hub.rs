//! The live page of `sse serve`, as its users meet it.

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

use browser_tests::{Browser, ColorScheme, Page};
use common::SOON;
use common::hub::{Hub, shows, wait_for_events, wait_until_connected};
use oracle::interpret;
use serde_json::{Value, json};
use trouble::PIECES;

/// Waits until a topic's line has these numbers: subscribers, and published in all.
#[track_caller]
fn shows_topic(page: &Page, name: &str, subscribers: u32, published: u32) {
    let cells = json!([name, subscribers.to_string(), published.to_string()]);
    let lines = "[...document.querySelectorAll('#topics tr')].map((line) => \
                 [line.querySelector('button'), line.cells[1], line.cells[3]].map((cell) => cell.textContent))";
    let found =
        page.wait_for(&format!("JSON.stringify({lines}).includes({})", json!(cells.to_string())), SOON);
    found.unwrap_or_else(|error| panic!("{:?}: {error}", page.evaluate(lines)));
}

/// What the list of events shows, oldest first: types and data of its lines.
fn events(page: &Page) -> Vec<(String, String)> {
    let lines = "[...document.querySelectorAll('#events li:not(.divider)')].reverse()\
                 .map((line) => ['.type', '.data'].map((part) => line.querySelector(part).textContent))";
    serde_json::from_value(page.evaluate(lines).unwrap()).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(event_type, data)| ((*event_type).to_owned(), (*data).to_owned())).collect()
}

/// Presses Tab until this has the focus.
#[track_caller]
fn tab_to(page: &Page, selector: &str) {
    let is_there = format!("document.activeElement.matches({})", json!(selector));
    for _ in 0..20 {
        page.press("Tab").unwrap();
        if page.evaluate(&is_there).unwrap() == true {
            return;
        }
    }
    panic!("Tab never comes to {selector}");
}

#[track_caller]
fn has_no_errors(page: &Page) {
    assert_eq!(page.take_errors(), Vec::<String>::new());
}

/// Requests for the events, since the last look.
fn event_requests(page: &Page) -> Vec<String> {
    let mut urls = Vec::new();
    while let Some(request) = page.next_request(Duration::ZERO).unwrap() {
        urls.extend(request.url.split_once("/topics?").map(|(_, query)| query.to_owned()));
    }
    urls
}

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
    shows(&page, "#subscribers", "2");
    shows(&page, "#events-about", "2 events of news, prices/tea");
    page.wait_for("/Published: \\S+ now, [1-9]/.test(document.querySelector('#plot').ariaLabel)", SOON)
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
    let shown = page.evaluate("document.querySelector('#events li').innerText.split('\\n')[2]").unwrap();
    let told = page.evaluate("document.querySelector('#answer').textContent.split(' ').at(-1)").unwrap();
    assert_eq!(shown, told, "the id of the answer is that of the event");
    assert_eq!(events(&page), pairs(&[("ship", "Halcyon, under full sail ⏎ northbound")]));

    // A `p` is text where there is text, and a command elsewhere.
    page.press("p").unwrap();
    assert_eq!(page.evaluate("document.querySelector('#pause').ariaPressed").unwrap(), "false");
    tab_to(&page, "#pause");
    page.press("p").unwrap();
    hub.publish("harbour", "held");
    shows(&page, "#held", "1");
    assert_eq!(events(&page).len(), 1);
    page.press("p").unwrap();
    wait_for_events(&page, 2);

    // What is refused is told.
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
        hub.publish(topic, "before");
    }
    let page = hub.page(&browser);
    shows_topic(&page, "c", 1, 1);
    event_requests(&page);

    tab_to(&page, "#topics button");
    page.press("Enter").unwrap();
    page.press("ArrowDown").unwrap();
    page.press("Enter").unwrap();
    assert_eq!(page.evaluate("location.hash").unwrap(), "#topic=a&topic=b");
    shows_topic(&page, "c", 0, 1);
    shows(&page, "#subscribers", "2");
    let requests = event_requests(&page);
    assert!(
        requests.last().is_some_and(|query| query.starts_with("topic=a&topic=b&lastEventId=")),
        "{requests:?}"
    );
    for (topic, data) in [("a", "1"), ("c", "2"), ("b", "3"), ("a", "4")] {
        hub.publish(topic, data);
    }
    wait_for_events(&page, 3);
    assert_eq!(events(&page), pairs(&[("message", "1"), ("message", "3"), ("message", "4")]));

    // The choice changes at any time: `a` stays, and has every number once.
    let numbers: Vec<String> = (0..150).map(|number| format!("number {number}")).collect();
    thread::scope(|scope| {
        let publishing = scope.spawn(|| numbers.iter().for_each(|number| hub.publish("a", number)));
        while !publishing.is_finished() {
            page.evaluate("document.querySelectorAll('#topics button')[1].click()").unwrap();
        }
    });
    assert!(event_requests(&page).len() > 2);
    shows(&page, "#events li .data", "number 149");
    let shown = events(&page).into_iter().map(|(_, data)| data).filter(|data| data.starts_with("number"));
    assert_eq!(shown.collect::<Vec<_>>(), numbers);

    // A link has the choice in it.
    let page = browser.open(&format!("http://{}/#topic=c", hub.address)).unwrap();
    shows(&page, "#events-about", "of c,");
    shows(&page, "#topics [aria-pressed=true]", "c");
    has_no_errors(&page);
}

#[test]
fn a_new_topic_is_seen_from_its_first_event_on_whatever_comes_in_between() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    hub.publish("busy", "before");
    let page = hub.page(&browser);
    shows_topic(&page, "busy", 1, 1);

    let mut expected = Vec::new();
    let publish = |topic: &str, data: String| {
        hub.publish(topic, &data);
        data
    };
    for new in 0..5 {
        expected.push(publish(&format!("new-{new}"), format!("first of {new}")));
        // Until the page knows the topic, events of the other go on.
        let is_known = format!("document.querySelector('#topics').textContent.includes('new-{new}')");
        while page.evaluate(&is_known).unwrap() == false {
            expected.push(publish("busy", format!("busy {}", expected.len())));
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
    shows(&page, "#detail", "no need to reload");
    let hub = Hub::start_at(&address, &[]);
    wait_until_connected(&page);
    hub.publish("news", "new");
    shows(&page, "#events li .data", "new");
    // The new hub knows nothing of the old one's events.
    let expected = [("message", "old"), ("gap", "some may be missed here"), ("message", "new")];
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
    shows(&page, "#tokens-why", "A token is needed to publish");
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
    shows(&page, "#events", "1,048,576 characters");

    page.evaluate(
        "document.querySelectorAll('#events details').forEach((details) => { details.open = true; })",
    )
    .unwrap();
    page.wait_for("document.querySelectorAll('#events pre').length === 3", SOON).unwrap();
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
    assert_eq!(page.evaluate("document.querySelector('#events').childElementCount").unwrap(), 200);
    has_no_errors(&page);
}

#[test]
fn it_looks_right_in_light_and_dark_and_on_a_phone() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    let page = hub.page(&browser);
    let background = "getComputedStyle(document.body).backgroundColor";
    page.resize(1280, 900, ColorScheme::Light).unwrap();
    let light = page.evaluate(background).unwrap();
    page.resize(1280, 900, ColorScheme::Dark).unwrap();
    assert_ne!(page.evaluate(background).unwrap(), light);

    hub.publish(&"long".repeat(50), &"long".repeat(500));
    hub.publish(&format!("news?type={}&id={}", "type".repeat(20), "id".repeat(60)), r#"{"a": ["b"]}"#);
    wait_for_events(&page, 2);
    page.resize(360, 780, ColorScheme::Light).unwrap();
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        .unwrap();
    page.wait_for("innerWidth === 360 && document.querySelector('#plot').viewBox.baseVal.width < 360", SOON)
        .unwrap();
    let wide = "[...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > 360)\
                .map((element) => element.outerHTML.slice(0, 80))";
    assert_eq!(page.evaluate(wide).unwrap(), json!([]));
    assert_eq!(page.evaluate("document.documentElement.scrollWidth <= innerWidth").unwrap(), true);
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
