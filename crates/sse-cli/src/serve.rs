//! `sse serve`: a hub to publish through.

mod access;
mod access_log;
mod app;
mod client;
mod control;
mod encoding;
mod envelopes;
mod form;
mod forwarded;
mod health;
mod history;
mod log;
mod metrics;
mod page;
mod pages;
mod publish;
mod rate;
mod rejection;
mod reload;
mod rights;
mod settings;
mod sockets;
mod status;
mod storage;
mod subscribers;
mod tls;
mod topic;
mod traffic;

use std::future::IntoFuture as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::{ArgMatches, Args, Command};
use sse_server::{Route, Serve, Shutdown, Topics};
use tokio::sync::watch;
use tracing_subscriber::filter::{LevelFilter, Targets};

use self::access::{Access, Origin};
use self::access_log::{AccessLog, Format};
use self::app::{App, Hub};
use self::client::{TrustedProxies, TrustedProxy};
use self::control::Control;
use self::health::Front;
use self::history::{Bound, History, TopicHistory};
use self::log::Log;
use self::metrics::{FirstEvents, Metrics};
use self::rate::{PublishRate, Rate};
use self::reload::Files;
use self::rights::{Authority, Right, Sources};
use self::sockets::{Address, Places, Reach, Socket};
use self::status::Numbers;
use self::storage::{Opened, Storage};
use self::subscribers::Subscribers;
use self::tls::Certificate;
use self::traffic::Traffic;
use crate::failure::Failure;
use crate::{runtime, system, units};

/// Serve topics to publish and subscribe to, and a page that shows them live
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Where to listen: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "127.0.0.1:8080")]
    listen: Vec<Address>,
    /// Speak https with this certificate and its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Keep the events in this directory, so that they survive a restart
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Keep the events in this Redis, where several hubs can be one
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// The name that these hubs share
    #[arg(long, value_name = "NAME", default_value = "sse")]
    namespace: String,
    /// How much to keep of each topic [default: 1024,16MiB], or of all topics with --data [1GiB] or --redis [100000]
    #[arg(long, value_name = "N|AGE|BYTES", value_delimiter = ',')]
    history: Vec<Bound>,
    /// How much to keep of each topic with --data [default: no limit]
    #[arg(long, value_name = "N|BYTES", value_delimiter = ',', requires = "data")]
    topic_history: Vec<Bound>,
    /// How much memory all histories may take; then the oldest events are evicted
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = units::bytes)]
    max_memory: usize,
    /// How long a stream is idle before a heartbeat is sent, or `off`
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = units::time_or_off)]
    heartbeat: Heartbeat,
    /// How many subscribers there may be [default: any number]
    #[arg(long, value_name = "N", value_parser = units::at_least_one())]
    max_subscribers: Option<usize>,
    /// How many streams one user or address may have [default: any number]
    #[arg(long, value_name = "N", value_parser = units::at_least_one())]
    max_per_client: Option<usize>,
    /// How many events one user or address may publish, as 100/s [default: any number]
    #[arg(long, value_name = "N/TIME")]
    publish_rate: Option<Rate>,
    /// How many topics there may be; unused ones are dropped first
    #[arg(long, value_name = "N", default_value = "1000", value_parser = units::at_least_one())]
    max_topics: usize,
    /// How large the body of a request may be
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = units::bytes)]
    max_body: usize,
    /// A file of lines `publish TOKEN TOPICS` or `subscribe TOKEN TOPICS`
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Keys of the JWTs that count as tokens: PEM, a JWKS, or a secret
    #[arg(long, value_name = "FILE")]
    jwt_keys: Vec<PathBuf>,
    /// The audience (`aud`) that a JWT must be for
    #[arg(long, value_name = "NAME", requires = "jwt_keys")]
    jwt_audience: Option<String>,
    /// A proxy whose Forwarded or X-Forwarded-For is believed
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    trusted_proxy: Vec<TrustedProxy>,
    /// Let pages of this origin use the hub; `*` is any origin
    #[arg(long, value_name = "ORIGIN", value_parser = access::origin)]
    cors: Vec<Origin>,
    /// Let these pages send cookies; not with `*`
    #[arg(long, requires = "cors")]
    cors_credentials: bool,
    /// How long streams may take to end after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::time)]
    grace: Duration,
    /// Log each request to standard error
    #[arg(long, value_name = "FORMAT", default_value = "off")]
    access_log: Format,
    /// Log error, warn, info, debug, or TARGET=LEVEL,…
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    log: Targets,
    /// A file of these settings, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

type Heartbeat = Option<Duration>;

const AFTER_HELP: &str = "\
Each setting can come from the environment too (--max-body as SSE_MAX_BODY), or from the file of --config \
(max-body = \"2MiB\"). A flag overrides the environment, and the environment overrides the file.";

/// The file of settings, if one is named.
pub(crate) fn settings_file(matches: &ArgMatches) -> Option<PathBuf> {
    matches.subcommand_matches(NAME)?.get_one("config").cloned()
}

/// The command line, with the environment.
pub(crate) fn with_environment(command: Command) -> Command {
    command.mut_subcommand(NAME, settings::with_environment)
}

/// The command line, with a file of settings.
pub(crate) fn with_settings(command: Command, file: &Path) -> Result<Command, Failure> {
    let mut serve = Ok(());
    let command = command.mut_subcommand(NAME, |command| {
        settings::with_file(command.clone(), file).unwrap_or_else(|failure| {
            serve = Err(failure);
            command
        })
    });
    serve.map(|()| command)
}

const NAME: &str = "serve";

/// The least size of a burst that is kept for connected subscribers, in bytes of a topic.
const LEAST_BURST: usize = 1024 * 1024;

/// How long the log may take for the last events, even if the grace is over.
const LEAST: Duration = Duration::from_millis(200);

impl Options {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runtime = runtime::of_all_cpus()?;
        let result = runtime.block_on(self.serve());
        // A thread may still wait for a file that is being read again.
        runtime.shutdown_background();
        result
    }

    async fn serve(self) -> Result<(), Failure> {
        let log = Log::start(self.log.clone(), self.access_log);
        let file_limit = system::raise_file_limit();
        if let Some(lack) = self.max_subscribers.and_then(|most| system::lack_of_files(most, file_limit)) {
            tracing::warn!("{lack} or LimitNOFILE= of systemd, or allow fewer with --max-subscribers");
        }
        // Reading a file may take for ever (a pipe). Signals are not handled yet, so a signal ends the program.
        let sources = self.sources();
        let authority = Authority::new(sources.read().map_err(Failure::usage)?);
        let certificate = self.certificate().map(|certificate| {
            let config = certificate.read().map_err(Failure::usage)?;
            Ok::<_, Failure>((certificate, watch::Sender::new(config)))
        });
        let certificate = certificate.transpose()?;
        let Control { mut end, reload, end_at_once } = Control::listen()?;
        let sockets = tokio::select! {
            sockets = self.bind(sources.is_open()) => sockets?,
            _ = &mut end => return Ok(()),
        };
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let places = Places::of(&sockets, scheme);
        let tls = certificate.as_ref().map(|(_, used)| used.subscribe());
        let (traffic, first_events) = (Traffic::new(), FirstEvents::new());
        let (connections, _socket_files): (Vec<_>, Vec<_>) =
            sockets.into_iter().map(|socket| socket.connections(tls.as_ref(), &traffic)).unzip();

        let (front, shutdown) = (Front::default(), Shutdown::new());
        let subscribers = Subscribers::up_to(self.max_subscribers.unwrap_or(usize::MAX), self.max_per_client);
        let grace = self.grace;
        let begun = Arc::new(OnceLock::new());
        let ended = begun.clone();
        let ending = {
            let (subscribers, shutdown) = (subscribers.clone(), shutdown.clone());
            async move {
                let _ = end.await;
                let _ = begun.set(Instant::now());
                tracing::info!(subscribers = subscribers.count(), "the hub is ending");
                shutdown.begin();
            }
        };
        let mut connections = connections.into_iter();
        let first = connections.next().expect("there is an address to listen on");
        let serve = connections.fold(sse_server::serve(first, front.service()), Serve::also);
        let serve = serve.with_graceful_shutdown(ending, grace);
        let serve = {
            let subscribers = subscribers.clone();
            serve.stagger_by(move || spread(subscribers.count(), grace))
        };
        let serving = async {
            let mut serve = serve.into_future();
            // Meanwhile, requests are answered: the hub is waiting.
            let of_topic: History = self.topic_history.iter().copied().collect();
            let of_topic = TopicHistory::try_from(of_topic).map_err(Failure::usage)?;
            let data = self.data.as_deref();
            let storage = Storage::of(data, of_topic, self.redis.as_deref(), &self.namespace)?;
            let Opened { topics, disk } = tokio::select! {
                opened = self.open(storage, &places, first_events.clone()) => opened?,
                () = &mut serve => return Ok(()),
            };
            let numbers = Numbers { topics: topics.clone(), disk, subscribers, begun: Instant::now() };
            let app = App {
                numbers: numbers.clone(),
                metrics: Metrics::new(numbers.clone(), traffic, &first_events),
                access: Access::new(sources.is_open(), self.cors.clone()),
                authority: authority.clone(),
                proxies: TrustedProxies::new(self.trusted_proxy.clone()),
                access_log: AccessLog::new(self.access_log, log.writer()),
                rate: PublishRate::new(self.publish_rate),
                max_body: self.max_body,
                status: Route::builder().history(1).build(),
                shutdown,
            };
            let is_open = sources.is_open();
            tokio::spawn(Files { sources, authority: authority.clone(), certificate }.follow(reload));
            let status = tokio::spawn(tell_status(app.status.clone(), numbers));
            front.open(Hub::new(app, &self.cors, self.cors_credentials));
            greet(&places, is_open, &authority);
            serve.await;
            status.abort();
            let left = ended.get().map_or(grace, |begun| grace.saturating_sub(begun.elapsed()));
            tokio::time::timeout(left.max(LEAST), topics.flush()).await.map_err(|_| {
                let name = storage.name();
                Failure::failed(format!(
                    "{name} did not take all events in time; their publishers have had no answer"
                ))
            })
        };
        tokio::select! {
            ended = serving => ended,
            never = log.tell_what_is_left_out() => never,
            Ok(signal) = end_at_once => Err(Failure::signal(signal)),
        }
    }

    /// Where the rights come from.
    fn sources(&self) -> Sources {
        Sources {
            token_file: self.token_file.clone(),
            jwt_keys: self.jwt_keys.clone(),
            jwt_audience: self.jwt_audience.clone(),
        }
    }

    /// Listens on each address. Without tokens, only addresses of this machine are allowed.
    async fn bind(&self, is_open: bool) -> Result<Vec<Socket>, Failure> {
        if self.cors_credentials && self.cors.contains(&Origin::Any) {
            return Err(Failure::usage(
                "--cors-credentials with `*` would let every page act for its user: name the origins with --cors",
            ));
        }
        if is_open && !self.trusted_proxy.is_empty() {
            return Err(Failure::usage(
                "--trusted-proxy names a proxy, and everybody could publish through it: \
                 give --token-file or --jwt-keys; the lines of the file may be `publish *` and `subscribe *` if that is meant",
            ));
        }
        if self.listen.is_empty() {
            return Err(Failure::usage("--listen names no address"));
        }
        let reach = if is_open { Reach::ThisMachine } else { Reach::Anywhere };
        let mut sockets = Vec::new();
        for address in &self.listen {
            sockets.push(address.bind(reach).await?);
        }
        Ok(sockets)
    }

    /// The files of the certificate, if there is one.
    fn certificate(&self) -> Option<Certificate> {
        let (chain, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        Some(Certificate { chain, key })
    }

    /// Opens the topics where their events are kept.
    async fn open(
        &self,
        storage: Storage<'_>,
        places: &Places,
        first_events: FirstEvents,
    ) -> Result<Opened, Failure> {
        let history: History = self.history.iter().copied().collect();
        // So the batch of any body can be kept for the subscribers.
        let burst = self.max_body.max(LEAST_BURST);
        if self.max_memory < burst {
            return Err(Failure::usage(format!(
                "--max-memory must be at least {burst} bytes, so that it holds one body of --max-body, or 1MiB"
            )));
        }
        let topics = Topics::builder().max_topics(self.max_topics).max_memory(self.max_memory);
        let route = Route::builder().heartbeat(self.heartbeat).burst_bytes(burst);
        let route = route.on_first_event(move |waited| first_events.count(waited));
        storage.open(topics, route, history, places).await
    }
}

/// Prints where the hub is, and commands that use it.
fn greet(places: &Places, is_open: bool, authority: &Authority) {
    let lets = |right| authority.lets_everybody(right);
    let who = match (is_open, lets(Right::Publish), lets(Right::Subscribe)) {
        (true, ..) => "There are no tokens (--token-file): only programs on this machine are served.",
        (false, true, true) => "Everybody may publish and subscribe.",
        (false, true, false) => "Everybody may publish; subscribers need a token.",
        (false, false, true) => "Everybody may subscribe; publishers need a token.",
        (false, false, false) => "Publishers and subscribers need their tokens.",
    };
    let greeting = format!("The hub runs at {places}, with a live page.\n{}{who}\n", places.examples());
    // Nobody may read it, which is no reason to stop.
    let _ = io::stdout().write_all(greeting.as_bytes());
}

/// Parses the filter of the log. A word that is not a level would be taken for a target, and no other target would be
/// logged.
fn log_filter(text: &str) -> Result<Targets, String> {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let is_known = |part: &str| part.contains('=') || is_level(part.trim());
    let filter = text.parse().ok().filter(|_| text.split(',').all(is_known));
    filter.ok_or_else(|| "write a level, error, warn, info, debug or trace, or TARGET=LEVEL,…".to_owned())
}

/// Returns over how long the streams end: a hundred over 10 ms, ten thousand over a second.
fn spread(subscribers: usize, grace: Duration) -> Duration {
    let per_subscriber = Duration::from_micros(100);
    per_subscriber.saturating_mul(u32::try_from(subscribers).unwrap_or(u32::MAX)).min(grace / 2)
}

/// Publishes the hub's numbers each second, if the page or a program reads them.
async fn tell_status(status: Route, numbers: Numbers) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        // It is closed when the hub has ended.
        if status.subscribers() > 0 && status.publish(&numbers.message()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_streams_end_over_a_while_and_within_the_grace() {
        let grace = Duration::from_secs(5);
        for (subscribers, milliseconds) in
            [(0, 0), (100, 10), (10_000, 1000), (1_000_000, 2500), (usize::MAX, 2500)]
        {
            assert_eq!(spread(subscribers, grace), Duration::from_millis(milliseconds), "{subscribers}");
        }
    }
}
