//! The clients. All do the same work: the type, data and id of every event are read.
//!
//! The events of all except the lower bound are owned. All share one reqwest client and its settings, unless noted.

use std::hint::black_box;
use std::pin::Pin;
use std::time::Duration;

use eventsource_client::{Client as _, ReconnectOptions, SSE};
use eventsource_stream::Eventsource as _;
use futures_util::StreamExt as _;
use launchdarkly_sdk_transport::HyperTransport;
use reqwest::{Client, Response};
use sse_client::{EventSource, Reconnect, ResponseExt as _};
use tokio::sync::mpsc::UnboundedSender;

use crate::Result;

/// A client to be measured.
pub(crate) struct Contender {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Reads a stream that ends.
    pub(crate) read: Option<fn(Http, String) -> Future<Seen>>,
    /// The part of a body that it reads. Slow contenders read less, so that a run takes two minutes.
    pub(crate) part: u64,
    /// Connects, reports the first event, and waits for the next one for ever.
    pub(crate) hold: fn(Http, String, UnboundedSender<()>) -> Future<()>,
    /// The largest number of sources.
    pub(crate) most: u32,
}

pub(crate) type Future<T> = Pin<Box<dyn std::future::Future<Output = Result<T>> + Send>>;

/// The HTTP clients of a process.
#[derive(Clone)]
pub(crate) struct Http {
    reqwest: Client,
    launchdarkly: HyperTransport,
}

impl Http {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { reqwest: sse_client::client_builder().build()?, launchdarkly: HyperTransport::new()? })
    }
}

/// The counts of a client, which show that all have done the same work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The bytes of the body.
    Body(u64),
    /// The events, and the bytes of all their data.
    Events { count: u64, data: u64 },
}

/// The lower bound, `sse-client`, then the peers.
pub(crate) const ALL: [Contender; 6] = [
    Contender {
        name: "reqwest",
        title: "reqwest alone",
        read: Some(|http, url| Box::pin(read_reqwest(http.reqwest, url))),
        part: 1,
        hold: |http, url, heard| Box::pin(hold_reqwest(http.reqwest, url, heard)),
        most: u32::MAX,
    },
    Contender {
        name: "events",
        title: "`response.events()`",
        read: Some(|http, url| Box::pin(read_events(http.reqwest, url))),
        part: 1,
        hold: |http, url, heard| Box::pin(hold_events(http.reqwest, url, heard)),
        most: u32::MAX,
    },
    Contender {
        name: "source",
        title: "`EventSource`",
        read: Some(|http, url| Box::pin(read_source(http.reqwest, url))),
        part: 1,
        hold: |http, url, heard| Box::pin(hold_source(http.reqwest, url, heard)),
        most: u32::MAX,
    },
    Contender {
        name: "own",
        title: "`EventSource::get`",
        // The same as the contender before, once the HTTP client exists.
        read: None,
        part: 1,
        hold: |_, url, heard| Box::pin(hold_own(url, heard)),
        // Each source has an HTTP client of its own, so there are few.
        most: 200,
    },
    Contender {
        name: "eventsource-stream",
        title: "eventsource-stream 0.2",
        read: Some(|http, url| Box::pin(read_eventsource_stream(http.reqwest, url))),
        // It copies the rest of a chunk for each line, and reqwest's chunks are large here.
        part: 32,
        hold: |http, url, heard| Box::pin(hold_eventsource_stream(http.reqwest, url, heard)),
        most: u32::MAX,
    },
    Contender {
        name: "eventsource-client",
        title: "eventsource-client 0.18",
        read: Some(|http, url| Box::pin(read_eventsource_client(http.launchdarkly, url))),
        part: 1,
        hold: |http, url, heard| Box::pin(hold_eventsource_client(http.launchdarkly, url, heard)),
        most: u32::MAX,
    },
];

/// Counts events.
#[derive(Default)]
struct Looking {
    count: u64,
    data: u64,
}

impl Looking {
    fn at(&mut self, event_type: &str, data: &str, id: &str) {
        let (_, data, _) = black_box((event_type, data, id));
        self.count += 1;
        self.data += data.len() as u64;
    }

    fn seen(self) -> Seen {
        Seen::Events { count: self.count, data: self.data }
    }
}

async fn get(client: Client, url: String) -> Result<Response> {
    Ok(client.get(url).send().await?)
}

async fn read_reqwest(client: Client, url: String) -> Result<Seen> {
    let mut response = get(client, url).await?;
    let mut length = 0;
    while let Some(chunk) = response.chunk().await? {
        length += black_box(chunk).len() as u64;
    }
    Ok(Seen::Body(length))
}

async fn hold_reqwest(client: Client, url: String, heard: UnboundedSender<()>) -> Result<()> {
    let mut response = get(client, url).await?;
    while response.chunk().await?.is_some() {
        heard.send(())?;
    }
    Ok(())
}

async fn read_events(client: Client, url: String) -> Result<Seen> {
    let mut events = get(client, url).await?.events();
    let mut looking = Looking::default();
    while let Some(event) = events.next().await {
        let event = event?;
        looking.at(event.event_type(), event.data(), event.last_event_id());
    }
    Ok(looking.seen())
}

async fn hold_events(client: Client, url: String, heard: UnboundedSender<()>) -> Result<()> {
    let mut events = get(client, url).await?.events();
    while let Some(event) = events.next().await {
        event?;
        heard.send(())?;
    }
    Ok(())
}

fn source(client: Client, url: String, reconnect: Reconnect) -> Result<EventSource> {
    let request = client.get(url).build()?;
    Ok(EventSource::builder(client, request).reconnect(reconnect).build()?)
}

async fn read_source(client: Client, url: String) -> Result<Seen> {
    let mut source = source(client, url, Reconnect::never())?;
    let mut looking = Looking::default();
    while let Some(event) = source.next().await {
        let event = event?;
        looking.at(event.event_type(), event.data(), event.last_event_id());
    }
    Ok(looking.seen())
}

async fn hold_source(client: Client, url: String, heard: UnboundedSender<()>) -> Result<()> {
    // This is not a function for both, because a future that takes a source as an argument stores it twice.
    let mut source = source(client, url, Reconnect::new())?;
    while let Some(event) = source.next().await {
        event?;
        heard.send(())?;
    }
    Ok(())
}

async fn hold_own(url: String, heard: UnboundedSender<()>) -> Result<()> {
    let mut source = EventSource::get(url)?;
    while let Some(event) = source.next().await {
        event?;
        heard.send(())?;
    }
    Ok(())
}

async fn read_eventsource_stream(client: Client, url: String) -> Result<Seen> {
    let mut events = get(client, url).await?.bytes_stream().eventsource();
    let mut looking = Looking::default();
    while let Some(event) = events.next().await {
        let event = event?;
        looking.at(&event.event, &event.data, &event.id);
    }
    Ok(looking.seen())
}

async fn hold_eventsource_stream(client: Client, url: String, heard: UnboundedSender<()>) -> Result<()> {
    let mut events = get(client, url).await?.bytes_stream().eventsource();
    while let Some(event) = events.next().await {
        event?;
        heard.send(())?;
    }
    Ok(())
}

async fn read_eventsource_client(transport: HyperTransport, url: String) -> Result<Seen> {
    let client = eventsource_client::ClientBuilder::for_url(&url)?
        .reconnect(ReconnectOptions::reconnect(false).build())
        .build_with_transport(transport);
    let mut events = client.stream();
    let mut looking = Looking::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(SSE::Event(event)) => {
                looking.at(&event.event_type, &event.data, event.id.as_deref().unwrap_or_default());
            }
            Ok(SSE::Connected(_) | SSE::Comment(_)) | Err(eventsource_client::Error::Eof) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(looking.seen())
}

async fn hold_eventsource_client(
    transport: HyperTransport,
    url: String,
    heard: UnboundedSender<()>,
) -> Result<()> {
    let client = eventsource_client::ClientBuilder::for_url(&url)?
        .reconnect(ReconnectOptions::reconnect(true).delay(Duration::from_secs(1)).build())
        .build_with_transport(transport);
    let mut events = client.stream();
    while let Some(event) = events.next().await {
        if let SSE::Event(_) = event? {
            heard.send(())?;
        }
    }
    Ok(())
}
