//! The examples of MCP with the Rust SDK as the peer, in both directions, by the newest version and the one before it.

use std::borrow::Cow;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ErrorData, ProgressNotificationParam, ProtocolVersion,
    RequestMetaObject, ServerCapabilities, ServerConfig,
};
use rmcp::service::NotificationContext;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt as _, Peer, RoleClient, RoleServer, ServerHandler, tool,
    tool_handler, tool_router,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// The time-out for anything that a peer does. It is long, because it passes only when a test fails.
const SOON: Duration = Duration::from_secs(30);

/// A server of the SDK's, which speaks one version.
#[derive(Clone)]
struct Counting {
    version: ProtocolVersion,
    /// The tool waits after its first step until this has a permit.
    may_go_on: Arc<Semaphore>,
}

#[tool_router]
impl Counting {
    /// Counts to three.
    #[tool]
    async fn count(&self, meta: RequestMetaObject, client: Peer<RoleServer>) -> Result<String, ErrorData> {
        let token = meta.get_progress_token().ok_or_else(|| ErrorData::invalid_params("no token", None))?;
        for step in 1..=2 {
            let progress = ProgressNotificationParam::new(token.clone(), f64::from(step)).with_total(3.0);
            client
                .notify_progress(progress)
                .await
                .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            let _permit = self.may_go_on.acquire().await;
        }
        Ok("one, two, three".to_owned())
    }
}

#[tool_handler]
impl ServerHandler for Counting {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Owned(vec![self.version.clone()])
    }
}

/// Serves the SDK's server, and returns its address.
async fn serve(version: ProtocolVersion, config: StreamableHttpServerConfig) -> String {
    serve_counting(Counting { version, may_go_on: Arc::new(Semaphore::new(1)) }, config).await
}

async fn serve_counting(server: Counting, config: StreamableHttpServerConfig) -> String {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.sse_retry = Some(Duration::from_millis(100));
    let service = StreamableHttpService::new(move || Ok(server.clone()), Arc::new(sessions), config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let app = axum::Router::new().nest_service("/mcp", service);
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}

/// Runs our client.
async fn call(arguments: &[&str]) -> Output {
    let mut client = Command::new(env!("CARGO_BIN_EXE_mcp_call"));
    client.args(arguments).kill_on_drop(true);
    timeout(SOON, client.output()).await.expect("the call ends").unwrap()
}

/// Relays connections to the server at `url`, and returns the address of the relay. The first connection that brings an event
/// with this text is closed after that event. When the server answers on a later connection, `resumed` gets a permit.
async fn relay(url: &str, text: &'static str, resumed: Arc<Semaphore>) -> String {
    let address = url.split('/').nth(2).unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = url.replace(&address, &listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        let is_cut = Arc::new(AtomicBool::new(false));
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&address).await.unwrap();
            tokio::spawn(pass_on(client, server, text, is_cut.clone(), resumed.clone()));
        }
    });
    relay
}

/// Passes bytes on in both directions, until one side closes or the event with the text has passed.
async fn pass_on(
    client: TcpStream,
    server: TcpStream,
    text: &'static str,
    is_cut: Arc<AtomicBool>,
    resumed: Arc<Semaphore>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let (mut buffer, mut passed) = (vec![0; 16 * 1024], String::new());
    while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
        if is_cut.load(Ordering::SeqCst) {
            resumed.add_permits(1);
        }
        if to_client.write_all(&buffer[..length]).await.is_err() {
            break;
        }
        passed += &String::from_utf8_lossy(&buffer[..length]);
        // The server sends nothing after this event before the client has resumed.
        let has_text = passed.split_once(text).is_some_and(|(_, rest)| rest.contains("\n\n"));
        if has_text && !is_cut.swap(true, Ordering::SeqCst) {
            break;
        }
    }
    requests.abort();
}

/// Calls the tool of the SDK's server, and checks all that our client prints.
async fn check_our_client(version: ProtocolVersion, config: StreamableHttpServerConfig) {
    let url = serve(version.clone(), config).await;
    let output = call(&[&url]).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = printed.lines().collect();
    let [first, second, result] = lines[..] else { panic!("{version}: {printed}{errors}") };
    for (line, progress) in [(first, "\"progress\":1"), (second, "\"progress\":2")] {
        assert!(
            line.starts_with("\"notifications/progress\"") && line.contains(progress),
            "{version}: {line}"
        );
    }
    assert!(result.contains("\"text\":\"one, two, three\""), "{version}: {result}");
    assert!(output.status.success() && errors.is_empty(), "{version}: {errors}");

    let refused = call(&[&url, "no-such-tool"]).await;
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && errors.starts_with("the server refused: "), "{version}: {errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_calls_the_sdks_server() {
    check_our_client(ProtocolVersion::V_2026_07_28, StreamableHttpServerConfig::default()).await;
    check_our_client(ProtocolVersion::V_2025_11_25, StreamableHttpServerConfig::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_calls_a_server_without_sessions() {
    // The stream of a call is the response to its POST.
    let without_sessions = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    check_our_client(ProtocolVersion::V_2025_11_25, without_sessions).await;
}

/// The connection breaks after the first event of the call, and the tool waits until the client has resumed. The SDK's server
/// sends the event with the last event ID again, so that its line is printed twice.
#[tokio::test(flavor = "multi_thread")]
async fn our_client_resumes_the_stream_of_the_sdks_server() {
    let may_go_on = Arc::new(Semaphore::new(0));
    let server = Counting { version: ProtocolVersion::V_2025_11_25, may_go_on: may_go_on.clone() };
    let url = serve_counting(server, StreamableHttpServerConfig::default()).await;
    let output = call(&[&relay(&url, "\"progress\":1", may_go_on).await]).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut lines: Vec<&str> = printed.lines().collect();
    lines.dedup();
    let [first, second, result] = lines[..] else { panic!("{printed}{errors}") };
    assert!(first.contains("\"progress\":1") && second.contains("\"progress\":2"), "{printed}");
    assert!(result.contains("\"text\":\"one, two, three\""), "{printed}");
    assert!(output.status.success() && errors.is_empty(), "{errors}");
}

/// A client of the SDK, which reports the progress that it gets.
struct Listening(mpsc::UnboundedSender<f64>);

impl ClientHandler for Listening {
    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.send(progress.progress).unwrap();
    }
}

/// Starts our server, and returns its address.
async fn start_our_server() -> (Child, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_mcp"));
    let mut server = server.arg("127.0.0.1:0").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = timeout(SOON, lines.next_line()).await.expect("it starts").unwrap().unwrap();
    // Its later output is read too, so that a full pipe does not stop it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let url = format!("{}mcp", line.strip_prefix("listening on ").unwrap());
    (server, url)
}

/// Lists the tools of our server, and calls one.
async fn check_our_server(lifecycle: ClientLifecycleMode) {
    let (_server, url) = start_our_server().await;
    let (heard, mut progress) = mpsc::unbounded_channel();
    let transport = StreamableHttpClientTransport::from_uri(url);
    let client = Listening(heard).serve_with_lifecycle(transport, lifecycle.clone());
    let client = timeout(SOON, client).await.expect("it connects").unwrap();
    let tools = timeout(SOON, client.list_all_tools()).await.expect("it lists").unwrap();
    assert_eq!(tools.iter().map(|tool| &tool.name[..]).collect::<Vec<_>>(), ["count"], "{lifecycle:?}");
    let call = client.call_tool(CallToolRequestParams::new("count"));
    let result: CallToolResult = timeout(SOON, call).await.expect("it answers").unwrap();
    let text = serde_json::to_value(&result).unwrap()["content"][0]["text"].clone();
    assert_eq!(text, "one, two, three", "{lifecycle:?}");
    for step in [1.0, 2.0] {
        assert_eq!(timeout(SOON, progress.recv()).await.expect("it tells"), Some(step), "{lifecycle:?}");
    }
    let refused =
        timeout(SOON, client.call_tool(CallToolRequestParams::new("none"))).await.expect("it refuses");
    assert!(refused.unwrap_err().to_string().contains("no such tool"), "{lifecycle:?}");
    timeout(SOON, client.cancel()).await.expect("it ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_client_calls_our_server_by_the_newest_version() {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    check_our_server(ClientLifecycleMode::Discover { preferred_versions }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_client_calls_our_server_by_the_version_before() {
    check_our_server(ClientLifecycleMode::Initialize).await;
}
