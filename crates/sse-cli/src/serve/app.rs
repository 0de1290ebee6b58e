//! The hub's paths and their handlers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, RETRY_AFTER,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sse_server::{PassedThrough, PeerAddress, Route, Shutdown, Subscription, TooManyTopics};
use tokio::time::timeout;
use tower::{Layer as _, Service as _};
use tower_http::cors::{AllowOrigin, Cors, CorsLayer};

use super::access::{Access, Origin};
use super::access_log::{self, AccessLog, Entry};
use super::client::{Client, TrustedProxies};
use super::encoding::{Encoding, Undecoded};
use super::envelopes::{self, Data};
use super::metrics::{self, Metrics};
use super::pages::{self, Page};
use super::publish::{Receipt, messages, publish};
use super::rate::PublishRate;
use super::rejection::Rejection;
use super::rights::{Authority, Caller, Use};
use super::status::Numbers;
use super::subscribers::{Full, Place};
use super::{form, health, page, topic};
use crate::refusal;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// When a client that has as many streams as it may may try again.
const CLIENT_WAITS: Duration = Duration::from_secs(10);

/// What the handlers share.
pub(crate) struct App {
    pub(crate) numbers: Numbers,
    pub(crate) metrics: Metrics,
    pub(crate) access: Access,
    pub(crate) authority: Authority,
    pub(crate) proxies: TrustedProxies,
    pub(crate) access_log: Option<Arc<AccessLog>>,
    pub(crate) rate: PublishRate,
    pub(crate) max_body: usize,
    /// The stream of the hub's numbers.
    pub(crate) status: Route,
    /// Whether the hub is ending.
    pub(crate) shutdown: Shutdown,
}

/// The hub as a service.
pub(crate) struct Hub {
    app: Arc<App>,
    paths: Cors<Router>,
}

impl Hub {
    pub(crate) fn new(app: App, origins: &[Origin], credentials: bool) -> Self {
        let app = Arc::new(app);
        let paths = Router::new()
            // These need rights: each handler takes the caller, which checks the origin.
            .route("/topics", get(subscribe_to_several))
            .route("/topics/{*name}", get(subscribe).post(receive))
            .route("/status", get(status))
            .route("/metrics", get(metrics))
            // These are for everybody.
            .route("/healthz", get(health::ALIVE))
            .route("/readyz", get(readiness))
            .merge(page::files())
            .fallback(|| async {
                Rejection::new(StatusCode::NOT_FOUND, "there is nothing here; topics are at /topics/NAME")
            })
            .method_not_allowed_fallback(|| async {
                Rejection::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "topics accept GET and POST, and other paths accept GET",
                )
            })
            .with_state(app.clone());
        Self { app, paths: cors(origins, credentials).layer(paths) }
    }

    /// Answers a request, counts the response, and logs the request: each one in the access log, or only refused ones in
    /// the log.
    pub(crate) async fn respond(&self, mut request: Request) -> Response {
        let peer = request.extensions().get().map(|PeerAddress(peer)| peer.ip());
        let client = self.app.proxies.client(peer, request.headers());
        request.extensions_mut().insert(client);
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let entry = self.app.access_log.as_ref().map(|log| log.begin(&client, &request));
        if let Some(entry) = &entry {
            request.extensions_mut().insert(entry.clone());
        }
        let response = match form::check(&request) {
            Ok(()) => self.paths.clone().call(request).await.unwrap_or_else(|never| match never {}),
            Err(rejection) => rejection.into_response(),
        };
        let status = response.status();
        self.app.metrics.count(&method, status);
        if let Some(entry) = entry {
            entry.answered(status, response.body().size_hint().exact());
        } else if status.is_client_error() || status.is_server_error() {
            let (client, path, status) = (client.address(), access_log::shown(&uri), status.as_u16());
            let method = access_log::shown_method(&method);
            tracing::info!(client = ?client, %method, path, status, "a request was refused");
        }
        response
    }
}

/// Tells browsers which pages may read, and what they may send and see.
fn cors(origins: &[Origin], credentials: bool) -> CorsLayer {
    let exact = origins.iter().map(|origin| match origin {
        Origin::Any => None,
        Origin::Of(origin) => Some(origin.clone()),
    });
    let origins = exact.collect::<Option<Vec<_>>>().map_or_else(AllowOrigin::any, AllowOrigin::list);
    let headers = [
        "authorization",
        "baggage",
        "cache-control",
        "content-type",
        "event-id",
        "event-type",
        "last-event-id",
        "traceparent",
        "tracestate",
    ];
    let headers = headers.map(HeaderName::from_static).into_iter().chain([envelopes::HEADER]);
    let exposed = [RETRY_AFTER, HeaderName::from_static(refusal::HEADER), envelopes::HEADER];
    let exposed = exposed.into_iter().chain(pages::HEADERS);
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers(headers.collect::<Vec<_>>())
        .expose_headers(exposed.collect::<Vec<_>>())
        .allow_credentials(credentials)
        .max_age(Duration::from_secs(60 * 60))
}

impl FromRequestParts<Arc<App>> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        Ok(*head.extensions.get().expect("each request of the hub has its client"))
    }
}

/// Refuses a request that a page of another origin has sent, unless the page may use the hub.
impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(head: &mut Parts, app: &Arc<App>) -> Result<Self, Rejection> {
        let Ok(client) = Client::from_request_parts(head, app).await;
        app.access.check_origin(&head.uri, &head.headers, &client)?;
        Ok(app.authority.caller(head).logged(head.extensions.get::<Entry>().cloned()))
    }
}

async fn subscribe(
    State(app): State<Arc<App>>,
    client: Client,
    caller: Caller,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Rejection> {
    topic::check(&name).map_err(Rejection::bad)?;
    let last = topic::last_of_query(request.uri().query().unwrap_or_default()).map_err(Rejection::bad)?;
    let what = Use::Subscribe(vec![name.clone()]);
    caller.check(&what)?;
    if let Some(page) = Page::asked_for(request.uri(), request.headers())? {
        return app.page(&page, request.method(), &[name], what, &client, &caller).await;
    }
    let data = Data::asked_for(request.uri(), request.headers())?;
    // A stream of one topic: its events have their publishers' ids.
    let subscription = data.of(app.numbers.topics.subscribe_to(&request, &name));
    app.respond(from_last(subscription, last), what, &client, &caller).map(|response| data.tell(response))
}

async fn subscribe_to_several(
    State(app): State<Arc<App>>,
    client: Client,
    caller: Caller,
    request: Request,
) -> Result<Response, Rejection> {
    let query = request.uri().query().unwrap_or_default();
    let names = topic::of_query(query).map_err(Rejection::bad)?;
    let last = topic::last_of_query(query).map_err(Rejection::bad)?;
    let what = Use::Subscribe(names.clone());
    caller.check(&what)?;
    if let Some(page) = Page::asked_for(request.uri(), request.headers())? {
        return app.page(&page, request.method(), &names, what, &client, &caller).await;
    }
    let data = Data::asked_for(request.uri(), request.headers())?;
    let topics = names.iter().map(String::as_str);
    let subscription = data.of(app.numbers.topics.subscribe(&request, topics));
    app.respond(from_last(subscription, last), what, &client, &caller).map(|response| data.tell(response))
}

/// Begins the subscription with the newest events, if the request asks for them.
fn from_last(subscription: Subscription, last: Option<usize>) -> Subscription {
    match last {
        Some(last) => subscription.from_newest(last),
        None => subscription,
    }
}

async fn receive(
    State(app): State<Arc<App>>,
    client: Client,
    caller: Caller,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Receipt>, Rejection> {
    topic::check(&name).map_err(Rejection::bad)?;
    caller.check(&Use::Publish(name.clone()))?;
    let (head, body) = request.into_parts();
    let account = client.account(caller.user());
    app.rate.check(&account)?;
    let body = body_up_to(app.max_body, &head.headers, body).await?;
    let messages = messages(&head, &body)?;
    app.rate.check_events(&account, messages.len())?;
    let route = app.numbers.topics.route(&name).map_err(|TooManyTopics { .. }| {
        Rejection::unavailable("there are too many topics in use; try again later, or raise --max-topics")
    })?;
    let receipt = publish(&route, &messages).await?;
    caller.has_published(receipt.published());
    Ok(Json(receipt))
}

/// Returns the body, if it is not too large, both as it was sent and after decompression.
async fn body_up_to(limit: usize, headers: &HeaderMap, mut body: Body) -> Result<Bytes, Rejection> {
    let encoding = match Encoding::of(headers) {
        Ok(encoding) => encoding,
        Err(rejection) => {
            discard(body).await;
            return Err(rejection);
        }
    };
    let text = format!("the body is larger than {limit} bytes; send smaller batches, or raise --max-body");
    let too_large = || Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, text);
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        // A client that sent `Expect` has not begun to send the body.
        if !headers.contains_key(EXPECT) {
            discard(body).await;
        }
        return Err(too_large());
    }
    match timeout(BODY_WITHIN, Limited::new(&mut body, limit).collect()).await {
        Ok(Ok(body)) => encoding.decode(body.to_bytes(), limit).map_err(|undecoded| match undecoded {
            Undecoded::TooLarge => too_large(),
            Undecoded::ManyParts => {
                Rejection::bad("the body has too many parts of gzip; compress it in one piece")
            }
            Undecoded::Broken(error) => Rejection::bad(format!("the body can't be decompressed: {error}")),
        }),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(too_large())
        }
        Ok(Err(error)) => Err(Rejection::bad(format!("the body was cut off: {error}"))),
        Err(_) => Err(Rejection::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {BODY_WITHIN:?}; send it again"),
        )),
    }
}

/// Reads the rest of a body, within bounds: a client that is cut off while it sends may never see the answer.
async fn discard(body: Body) {
    const MOST: usize = 64 * 1024 * 1024;

    let reading = async {
        let mut body = Limited::new(body, MOST);
        while let Some(Ok(_)) = body.frame().await {}
    };
    let _ = timeout(BODY_WITHIN, reading).await;
}

async fn status(
    State(app): State<Arc<App>>,
    client: Client,
    caller: Caller,
    request: Request,
) -> Result<Response, Rejection> {
    caller.check(&Use::Status)?;
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.starts_with("application/json")) {
        let search = topic::search_of_query(request.uri().query().unwrap_or_default());
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
        return Ok((headers, app.numbers.json(&search)).into_response());
    }
    let subscription = app.status.subscribe(&request).snapshot(|| [app.numbers.message()]);
    app.respond(subscription, Use::Status, &client, &caller)
}

async fn readiness(State(app): State<Arc<App>>) -> Result<&'static str, Rejection> {
    health::readiness(&app.numbers.topics, app.numbers.disk.as_ref(), &app.shutdown)
}

async fn metrics(State(app): State<Arc<App>>, caller: Caller) -> Result<impl IntoResponse, Rejection> {
    caller.check(&Use::Status)?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], app.metrics.text()))
}

impl App {
    /// Returns the stream of a subscription, if there may be one more. It ends when the caller loses the right.
    fn respond(
        &self,
        subscription: Subscription,
        what: Use,
        client: &Client,
        caller: &Caller,
    ) -> Result<Response, Rejection> {
        let place = self.join(&what, client, caller)?;
        let subscription = caller.limit(subscription, what);
        let lifetime = subscription.is_open().then(|| self.metrics.stream());
        let mut response = subscription.respond().map(|body| Body::new(place.keep(body, lifetime)));
        response.extensions_mut().insert(PassedThrough);
        Ok(response)
    }

    /// Returns a page of the events of these topics. While it is read, it counts as a stream.
    async fn page(
        &self,
        page: &Page,
        method: &Method,
        names: &[String],
        what: Use,
        client: &Client,
        caller: &Caller,
    ) -> Result<Response, Rejection> {
        if method == Method::HEAD {
            return Ok(pages::head(Body::empty()));
        }
        let _place = self.join(&what, client, caller)?;
        let topics = &self.numbers.topics;
        let page = page.found_in(topics).await?;
        let evicted = page.time().map(|time| self.numbers.evicted_since(time, names)).unwrap_or_default();
        let subscription = match names {
            // With the ids of its publishers.
            [name] => match topics.get(name) {
                Some(route) => route.subscribe_from(page.id()),
                None => topics.subscribe_from(page.id(), [&**name]),
            },
            names => topics.subscribe_from(page.id(), names.iter().map(String::as_str)),
        };
        tokio::select! {
            // The right first: an event that comes after its end is not for this caller.
            biased;
            () = caller.clone().loses(what.clone()) => Err(what.refuse_lost()),
            answer = page.read(subscription, evicted) => answer,
            () = self.shutdown.begun() => Err(Rejection::unavailable("the hub is ending; try again")),
        }
    }

    /// Takes a place for a stream of a caller.
    fn join(&self, what: &Use, client: &Client, caller: &Caller) -> Result<Place, Rejection> {
        let account = || client.account(caller.user());
        self.numbers.subscribers.join(account, what.topics()).map_err(|full| match full {
            Full::All => Rejection::unavailable("there are too many subscribers; try again later"),
            Full::Streams(most) => Rejection::too_many(
                format!("this client has {most} streams, which is the limit; end one, or try again later"),
                CLIENT_WAITS,
            ),
            Full::Topics(most) => Rejection::too_many(
                format!(
                    "the streams of one client may have {most} topics together; end one, or ask for fewer"
                ),
                CLIENT_WAITS,
            ),
        })
    }
}
