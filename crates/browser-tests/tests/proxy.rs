//! The live page of `sse serve` behind a proxy, with the settings that most guides show.

mod common;
#[path = "../../sse-cli/tests/common/nginx.rs"]
#[allow(unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod nginx;

use std::fs;

use browser_tests::{Browser, Page};
use common::SOON;
use common::hub::{Hub, shows, wait_for_events, wait_until_connected};
use nginx::Nginx;

/// A hub that serves everybody. Its token file must say so, since a proxy is in front of it.
fn hub_for_all() -> (Hub, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, "publish *\nsubscribe *\n").unwrap();
    (Hub::start(&["--token-file", file.to_str().unwrap()]), folder)
}

/// Publishes by the page's own form.
fn publish(page: &Page) {
    page.evaluate(
        "document.querySelector('#topic').value = 'news'; document.querySelector('#data').value = 'Hello'",
    )
    .unwrap();
    page.evaluate("document.querySelector('#publish').requestSubmit()").unwrap();
}

/// Checks that the page at this URL is live, and that it publishes.
#[track_caller]
fn check_live(browser: &Browser, url: &str) -> Page {
    let page = browser.open(url).unwrap();
    wait_until_connected(&page);
    publish(&page);
    shows(&page, "#answer", "Published with the id ");
    wait_for_events(&page, 1);
    shows(&page, "#events .data", "Hello");
    shows(&page, "#commands", &format!(" {url}topics/news Hello"));
    assert_eq!(page.take_errors(), Vec::<String>::new());
    page
}

#[test]
fn the_page_is_live_behind_the_defaults_of_nginx() {
    let ((hub, _tokens), browser) = (hub_for_all(), Browser::launch().unwrap());
    let nginx = Nginx::with_defaults(&hub.address);
    check_live(&browser, &format!("http://{}/", nginx.address));
}

#[test]
fn the_page_is_live_below_a_path() {
    let ((hub, _tokens), browser) = (hub_for_all(), Browser::launch().unwrap());
    let nginx = Nginx::start(&hub.address, "location /live/hub/ { proxy_pass http://HUB/; }");
    check_live(&browser, &format!("http://{}/live/hub/", nginx.address));
    // A link without the slash is led to the page.
    let page = browser.open(&format!("http://{}/live/hub", nginx.address)).unwrap();
    wait_until_connected(&page);
}

#[test]
fn where_the_browser_says_nothing_of_the_site_the_page_names_the_line_that_the_proxy_lacks() {
    let ((hub, _tokens), browser) = (hub_for_all(), Browser::launch().unwrap());
    let url = |nginx: &Nginx| format!("http://hub.example:{}/", nginx.address.rsplit(':').next().unwrap());
    let nginx = Nginx::with_defaults(&hub.address);
    let page = browser.open(&url(&nginx)).unwrap();
    wait_until_connected(&page);
    publish(&page);
    shows(&page, "#answer", "(nginx: `proxy_set_header Host $http_host;`)");
    // With that line, it works.
    let lines = "location / { proxy_pass http://HUB; proxy_set_header Host $http_host; }";
    let nginx = Nginx::start(&hub.address, lines);
    check_live(&browser, &url(&nginx));
}

#[test]
fn a_page_whose_script_does_not_load_says_so() {
    #[track_caller]
    fn check(browser: &Browser, hub: &Hub, lines: &str) {
        let nginx = Nginx::start(&hub.address, &format!("{lines} location / {{ proxy_pass http://HUB; }}"));
        let page = browser.open(&format!("http://{}/", nginx.address)).unwrap();
        let shown = "getComputedStyle(document.querySelector('#unloaded')).visibility === 'visible'";
        page.wait_for(shown, SOON).unwrap();
        shows(&page, "#unloaded", "The script of this page could not be loaded");
    }

    let (hub, browser) = (Hub::start(&[]), Browser::launch().unwrap());
    check(&browser, &hub, "location = /page.js { return 404; }");
    // One that it needs.
    check(&browser, &hub, "location = /events.js { return 403; }");
    // Without its style sheet, too.
    check(&browser, &hub, "location ~ \\.(js|css)$ { return 404; }");
}
