//! What an operator does with the live page of `sse serve`, what it says, and how it looks.

mod common;

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use browser_tests::{Browser, ColorScheme, Page};
use common::SOON;
use common::hub::{
    Hub, events, has_no_errors, pairs, shows, shows_topic, tab_to, wait_for_events, wait_until_connected,
};
use serde_json::{Value, json};

/// The topics of the events that are shown, the oldest first.
fn topics(page: &Page) -> Value {
    page.evaluate(
        "[...document.querySelectorAll('#events .topic')].reverse().map((topic) => topic.textContent)",
    )
    .unwrap()
}

/// Types into a text box, as a user does.
fn fill(page: &Page, selector: &str, text: &str) {
    let focus = format!("document.querySelector({}).focus()", json!(selector));
    page.evaluate(&focus).unwrap();
    page.press("Control+a").unwrap();
    match text {
        "" => page.press("Backspace").unwrap(),
        text => page.write(text).unwrap(),
    }
}

fn click(page: &Page, selector: &str) {
    page.evaluate(&format!("document.querySelector({}).click()", json!(selector))).unwrap();
}

#[test]
fn the_last_events_are_there_at_the_opening_each_with_its_topic() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    for (topic, data) in [("news", "1"), ("prices/tea?type=price", "2"), ("news", "3")] {
        hub.publish(&topic.replacen('/', "%2F", 1), data);
    }
    let opened = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0;
    let page = hub.page(&browser);
    wait_for_events(&page, 3);
    assert_eq!(events(&page), pairs(&[("message", "1"), ("price", "2"), ("message", "3")]));
    assert_eq!(topics(&page), json!(["news", "prices/tea", "news"]));
    // With the times at which they were published.
    let times = "[...document.querySelectorAll('#events time')].map((time) => Date.parse(time.dateTime))";
    let shown = page.evaluate(times).unwrap();
    let shown: Vec<f64> = shown.as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect();
    assert!(shown.is_sorted_by(|newer, older| newer >= older) && shown[0] <= opened, "{shown:?} {opened}");
    let texts =
        "[...document.querySelectorAll('#events time')].every((time) => /^\\d/.test(time.textContent))";
    assert_eq!(page.evaluate(texts).unwrap(), true);

    // What comes live goes on after them.
    hub.publish("news", "4");
    wait_for_events(&page, 4);
    // Of a topic that is chosen, its own last events are there.
    click(&page, "#topics tr:nth-child(2) button");
    wait_for_events(&page, 1);
    shows(&page, "#events-about", "1 event of prices/tea");
    assert_eq!(topics(&page), json!(["prices/tea"]));
    click(&page, "#all");
    wait_for_events(&page, 4);
    assert_eq!(topics(&page), json!(["news", "prices/tea", "news", "news"]));
    has_no_errors(&page);
}

#[test]
fn events_are_paused_filtered_copied_and_cleared() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    let page = hub.page(&browser);
    hub.publish("orders?type=created", r#"{"customer":"Ada"}"#);
    hub.publish("orders?type=created", r#"{"customer":"Grace"}"#);
    hub.publish("news", "Ada has come");
    wait_for_events(&page, 3);

    // All words must be there, in whatever part of an event.
    for (filter, count) in [("ada", 2), ("ORDERS ada", 1), ("created grace", 1), ("nobody", 0), ("", 3)] {
        fill(&page, "#filter", filter);
        let shown = page.evaluate("document.querySelectorAll('#events li').length").unwrap();
        assert_eq!(shown, count, "{filter}");
    }
    fill(&page, "#filter", "nobody");
    shows(&page, "#nothing-why", "No event matches the filter.");
    shows(&page, "#events-about", "0 of 3 events match the filter.");

    // The events that are shown are copied, in the form that `sse publish --json` reads.
    fill(&page, "#filter", "ada");
    click(&page, "#copy");
    shows(&page, "#events-note", "Copied 2 events.");
    fill(&page, "#data", "");
    page.press("Control+v").unwrap();
    let copied = page.wait_for("document.querySelector('#data').value", SOON).unwrap();
    let copied: Vec<Value> = copied.as_str().unwrap().lines().map(|line| line.parse().unwrap()).collect();
    let fields = ["topic", "type", "data"];
    let found: Vec<_> =
        copied.iter().map(|event| fields.map(|field| event[field].as_str().unwrap())).collect();
    assert_eq!(found, [["orders", "created", r#"{"customer":"Ada"}"#], ["news", "message", "Ada has come"]]);

    // Events that come while the list is paused are counted, and shown afterwards.
    fill(&page, "#filter", "");
    click(&page, "#pause");
    hub.publish("news", "held");
    shows(&page, "#pause", "Resume (1)");
    shows(&page, "#events-about", "Paused. ");
    assert_eq!(events(&page).len(), 3);
    click(&page, "#pause");
    wait_for_events(&page, 4);
    shows(&page, "#pause", "Pause");

    click(&page, "#clear");
    assert_eq!(events(&page), []);
    shows(&page, "#nothing-why", "Waiting for the next event.");
    hub.publish("news", "after");
    wait_for_events(&page, 1);
    assert_eq!(events(&page), pairs(&[("message", "after")]));
    has_no_errors(&page);
}

#[test]
fn every_topic_of_very_many_is_found_and_can_be_chosen() {
    const TOPICS: usize = 1100;
    let (hub, browser) = (Hub::start(&["--max-topics", "2000"]), Browser::launch().unwrap());
    // One has more events than the others, so that it comes first by what is kept.
    for number in (0..TOPICS).chain([1099]) {
        hub.publish(&format!("tenant-{number}"), "1");
    }
    let page = hub.page(&browser);
    shows(&page, "#topics-count", "1,100");
    shows(&page, "#topics-about", "The page knows 1,000 of them, and shows 200: search for others.");
    shows(&page, "#events-about", "of 100 of 1,100 topics");
    assert_eq!(page.evaluate("document.querySelectorAll('#topics tr').length").unwrap(), 200);

    // The status lists the first topics by name, and the hub searches all of them.
    fill(&page, "#search", "TENANT-99");
    shows(&page, "#topics-about", "11 of 1,100 topics found.");
    click(&page, "#topics-head [data-key=name] button");
    shows(&page, "#topics tr button", "tenant-999");
    click(&page, "#choose-found");
    shows(&page, "#events-about", "11 events of 11 topics");

    // Enter chooses the only one that is found, or one that is not there yet.
    click(&page, "#all");
    fill(&page, "#search", "tenant-1099");
    shows(&page, "#topics-about", "1 of 1,100 topics found.");
    page.press("Enter").unwrap();
    shows(&page, "#events-about", "2 events of tenant-1099");
    fill(&page, "#search", "to come");
    shows(&page, "#topics-about", "No topic has this text in its name.");
    page.press("Enter").unwrap();
    hub.publish("to%20come", "here");
    shows(&page, "#events-about", "3 events of tenant-1099, to come");
    has_no_errors(&page);
}

#[test]
fn a_connection_that_is_refused_or_lost_says_why() {
    let browser = Browser::launch().unwrap();
    // The reason for no events is the hub's, and so is that for no status.
    let hub = Hub::start(&["--max-subscribers", "1"]);
    hub.publish("news", "1");
    let first = hub.page(&browser);
    shows(&first, "#nothing-why", "No events come. 503: ");
    let second = browser.open(&format!("http://{}/", hub.address)).unwrap();
    shows(&second, "#state", "Reconnecting");
    shows(&second, "#detail", "503: ");
    // It tries again, so it is not refused for good.
    assert_eq!(second.evaluate("document.querySelector('#nothing-why').textContent").unwrap(), "");
    drop((first, second, hub));

    // A hub that ends says so, and so does the page. It comes back at once if it is told to.
    let hub = Hub::start(&["--grace", "100ms"]);
    let page = hub.page(&browser);
    shows(&page, "#detail", "up ");
    let address = hub.address.clone();
    Command::new("kill").args(["-TERM", &hub.id().to_string()]).status().unwrap();
    shows(&page, "#state", "The hub has ended");
    shows(&page, "#detail", "The hub has not answered since then. The figures are of ");
    drop(hub);
    let hub = Hub::start_at(&address, &[]);
    click(&page, "#retry");
    wait_until_connected(&page);
    assert_eq!(page.evaluate("document.querySelector('#retry').hidden").unwrap(), true);
    drop((page, hub));

    // A token that has another right.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, "publish publish-0123456789\nsubscribe subscribe-0123456789\n").unwrap();
    let hub = Hub::start(&["--token-file", file.to_str().unwrap()]);
    let page = browser.open(&format!("http://{}/", hub.address)).unwrap();
    shows(&page, "#state", "A token is needed");
    page.write("publish-0123456789").unwrap();
    page.press("Enter").unwrap();
    shows(&page, "#state", "Forbidden");
    shows(&page, "#detail", "403: ");
    shows(&page, "#tokens-why", "does not have the right to subscribe");
    shows(&page, "#nothing-why", "The hub refuses this page.");
    has_no_errors(&page);
}

#[test]
fn a_token_for_the_figures_alone_says_why_no_events_come() {
    let browser = Browser::launch().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, "publish *\nsubscribe * public/*\nstatus status-0123456789\n").unwrap();
    let hub = Hub::start(&["--token-file", file.to_str().unwrap()]);
    hub.publish("private", "1");
    let page = browser.open(&format!("http://{}/", hub.address)).unwrap();
    shows(&page, "#state", "A token is needed");
    page.write("status-0123456789").unwrap();
    page.press("Enter").unwrap();
    shows(&page, "#detail", "up ");
    let why = "No events come. 403: this token gives no right to subscribe to the topic private";
    shows(&page, "#nothing-why", why);
    has_no_errors(&page);
}

/// The texts with too little contrast to their background, with their ratio.
const PALE: &str = "(() => {
    const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const bytes = (colour) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((part, at) => (part * a + below[at] * (255 - a)) / 255);
    const backgroundOf = (element) => {
        if (!element) return bytes('canvas').slice(0, 3);
        const colour = bytes(getComputedStyle(element).backgroundColor);
        return colour[3] === 255 ? colour.slice(0, 3) : over(colour, backgroundOf(element.parentElement));
    };
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => part / 255)
            .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const pale = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        const element = text.parentElement;
        if (!text.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
        const style = getComputedStyle(element);
        const background = backgroundOf(element);
        const colour = over(bytes(element instanceof SVGElement ? style.fill : style.color), background);
        const [high, low] = [light(colour), light(background)].sort((a, b) => b - a);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) pale.push([text.data, ratio.toFixed(2)]);
    }
    return pale;
})()";

/// The elements that are wider than the window.
const WIDE: &str = "[...document.querySelectorAll('body *')]\
    .filter((element) => element.getBoundingClientRect().right > innerWidth && !element.closest('.scroll'))\
    .map((element) => element.outerHTML.slice(0, 80))";

/// What can be operated, but has no name.
const NAMELESS: &str = "[...document.querySelectorAll('button, input, textarea, summary, [tabindex=\"0\"], svg[role]')]\
    .filter((element) => !(element.ariaLabel || element.labels?.[0]?.textContent.trim() || element.textContent.trim()))\
    .map((element) => element.outerHTML.slice(0, 80))";

#[test]
fn it_is_legible_in_light_and_dark_fits_on_a_phone_and_every_control_has_a_name() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    let page = hub.page(&browser);
    hub.publish(&"long".repeat(50), &"long".repeat(500));
    hub.publish(&format!("news?type={}&id={}", "type".repeat(20), "id".repeat(60)), r#"{"a": ["b"]}"#);
    wait_for_events(&page, 2);
    shows_topic(&page, "news", 1, 1);
    // Everything is shown: the form for tokens, an answer, the unfolded parts, a gap.
    page.evaluate(
        "document.querySelector('#tokens').hidden = false;
         document.querySelector('#answer').textContent = 'refused';
         document.querySelectorAll('details').forEach((details) => { details.open = true; });
         document.querySelectorAll('#cut, #topics .trouble, #answer').forEach((part) => part.classList.add('alarm'));
         document.querySelector('#events').append(document.querySelector('#events li').cloneNode(true));
         document.querySelector('#events li:last-child').className = 'gap'",
    )
    .unwrap();
    page.wait_for("document.querySelectorAll('#events pre').length > 1", SOON).unwrap();
    for width in [360, 1440] {
        for scheme in [ColorScheme::Light, ColorScheme::Dark] {
            page.resize(width, 900, scheme).unwrap();
            page.wait_for(&format!("innerWidth === {width}"), SOON).unwrap();
            assert_eq!(page.evaluate(PALE).unwrap(), json!([]), "{width} {scheme:?}");
            assert_eq!(page.evaluate(WIDE).unwrap(), json!([]), "{width} {scheme:?}");
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(page.evaluate(fits).unwrap(), true, "{width} {scheme:?}");
        }
    }
    assert_eq!(page.evaluate(NAMELESS).unwrap(), json!([]));

    // On a phone, the events come first, and are there without scrolling.
    let order = "['events', 'topics', 'figures', 'publish'].map((part) => \
                 document.querySelector(`section.${part}`).getBoundingClientRect().top)";
    page.evaluate("document.querySelector('#tokens').hidden = true").unwrap();
    page.resize(360, 780, ColorScheme::Dark).unwrap();
    let tops: Vec<f64> = serde_json::from_value(page.evaluate(order).unwrap()).unwrap();
    assert!(tops.is_sorted() && tops[0] < 200.0, "{tops:?}");
    // A good connection does not have the colour of a warning.
    let colours = "['.full', '.alarm', '#answer'].map((part) => document.querySelector(part))\
                   .map((part) => getComputedStyle(part)).map((style) => [style.fill, style.color])";
    let colours = page.evaluate(colours).unwrap();
    assert_ne!(colours[0][0], colours[1][1]);
    has_no_errors(&page);
}

#[test]
fn tab_stops_once_in_each_list_and_the_arrows_go_on() {
    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    for topic in ["a", "b", "c"] {
        hub.publish(topic, "1");
    }
    let page = hub.page(&browser);
    wait_for_events(&page, 3);
    tab_to(&page, "#events summary");
    page.press("ArrowDown").unwrap();
    page.press("Enter").unwrap();
    shows(&page, "#events li:nth-child(2) pre", "1");
    page.press("End").unwrap();
    page.press("Tab").unwrap();
    assert_eq!(page.evaluate("document.activeElement.id").unwrap(), "search");
    tab_to(&page, "#topics button");
    page.press("End").unwrap();
    page.press("Enter").unwrap();
    assert_eq!(page.evaluate("location.hash").unwrap(), "#topic=c");
    page.press("Tab").unwrap();
    assert_eq!(page.evaluate("document.activeElement.id").unwrap(), "topic");
    has_no_errors(&page);
}
