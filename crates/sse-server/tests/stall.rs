//! Peers that take no bytes, over real sockets: what they cost, and how the server notices them.

use std::net::SocketAddr;
use std::time::Duration;

use sse_codec::Decoder;
use sse_server::{Listener, Message, Route, RouteBuilder, serve};
use sse_testing::ChunkedResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// The data of a large message.
const DATA: usize = 64 * 1024;

/// The longest time that anything may take.
const SOON: Duration = Duration::from_secs(60);

/// Serves a route on a free port.
fn start(route: RouteBuilder, write_deadline: Duration) -> (Route, SocketAddr) {
    let route = route.build();
    let socket = TcpSocket::new_v4().unwrap();
    // The sockets of accepted connections inherit this size. Without it, the kernel holds megabytes for each stalled
    // client.
    socket.set_send_buffer_size(32 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = Listener::from(socket.listen(1024).unwrap()).write_deadline(write_deadline);
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, route.clone()).into_future());
    (route, address)
}

/// A subscriber that has read its opening and the bytes that came with it.
struct Subscriber {
    stream: TcpStream,
    response: ChunkedResponse,
    decoder: Decoder,
}

impl Subscriber {
    async fn open(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut subscriber = Self { stream, response: ChunkedResponse::new(), decoder: Decoder::new() };
        while subscriber.decoder.last_event_id().is_empty() {
            subscriber.read().await;
        }
        subscriber
    }

    /// Reads once. Returns how many messages came, and how many are missing by gap events.
    async fn read(&mut self) -> (u64, u64) {
        let mut buffer = vec![0; 16 * 1024];
        let len = timeout(SOON, self.stream.read(&mut buffer)).await.expect("more comes soon").unwrap();
        assert!(len > 0, "the stream ended too soon");
        let body = self.response.feed(&buffer[..len]);
        assert!(self.response.status().is_none_or(|status| status == 200));
        let (mut body, mut came, mut missed) = (&*body, 0, 0);
        while let Some(event) = self.decoder.next_event(&mut body).unwrap() {
            if event.event_type() == "gap" {
                let data = event.data().strip_prefix("{\"missed\":").and_then(|data| data.strip_suffix('}'));
                missed +=
                    data.expect("the event is a gap event").parse::<u64>().expect("the gap has a number");
            } else {
                assert_eq!(event.data().len(), DATA);
                came += 1;
            }
        }
        (came, missed)
    }

    /// Reads until `messages` have come or are in a gap. Returns how many came.
    #[cfg(target_os = "linux")]
    async fn read_messages(&mut self, messages: u64) -> u64 {
        let (mut came, mut missed) = (0, 0);
        while came + missed < messages {
            let more = self.read().await;
            came += more.0;
            missed += more.1;
        }
        assert_eq!(came + missed, messages, "{missed} messages are missed");
        came
    }

    /// Does the same in a task of its own.
    #[cfg(target_os = "linux")]
    fn read_all(mut self, messages: u64) -> tokio::task::JoinHandle<u64> {
        tokio::spawn(async move { self.read_messages(messages).await })
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(Duration::from_secs(30), wait).await.is_ok(), "never: {what}");
}

/// A thousand subscribers take no bytes while a gigabyte is published.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_with_stalled_subscribers() {
    const MESSAGES: u64 = 16 * 1024;
    const HISTORY: usize = 4 << 20;
    /// At most one frame is held for each, and all at the same position share it.
    const EACH: usize = DATA;
    /// The memory of the other tests in this file, of the allocator, and of buffers for reading.
    const OTHERS: usize = 32 << 20;

    // Both ends of each connection are files of this process.
    let subscribers = 1_000.min((open_files() - 100) / 2);
    assert!(subscribers >= 400, "too few files: see `ulimit -n`");
    let history = Route::builder().history_bytes(HISTORY);
    let (route, address) = start(history, Duration::from_secs(3600));
    let mut stalled = Vec::new();
    for _ in 0..subscribers {
        stalled.push(Subscriber::open(address).await);
    }
    let reader = Subscriber::open(address).await.read_all(MESSAGES);

    let before = resident();
    let mut most = before;
    let message = Message::new("x".repeat(DATA));
    for number in 0..MESSAGES {
        route.publish(&message).unwrap();
        // Subscribers that take some bytes take them now.
        tokio::task::yield_now().await;
        if number % 256 == 0 {
            most = most.max(resident());
        }
    }
    let came = reader.await.unwrap();
    let grown = most.max(resident()) - before;
    eprintln!("{subscribers} stalled: {} MiB more; the reading one got {came} of {MESSAGES}", grown >> 20);
    assert!(grown < HISTORY + subscribers * EACH + OTHERS, "{grown} bytes");
    assert!(came > 0);
    until("the reading one is disconnected", || route.stats().catching_up == subscribers).await;
    drop(stalled);
}

/// Hundreds of clients send half a request, a byte at a time, or more than they should, or read nothing.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_cost_little_and_slow_no_other() {
    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    /// What a client may cost beside its sockets. Most of it is hyper's first buffer of 8 KiB.
    const EACH: usize = 24 * 1024;
    const OTHERS: usize = 16 << 20;

    let clients = 1_000.min((open_files() - 100) / 2) / 4 * 4;
    let (route, address) = start(Route::builder(), Duration::from_secs(3600));
    let mut reader = Subscriber::open(address).await;
    let before = resident();
    let mut hostile = Vec::new();
    for number in 0..clients {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        match number % 4 {
            0 => stream.write_all(b"GET / HT").await.unwrap(),
            1 => stream.write_all(b"G").await.unwrap(),
            2 => stream.write_all(GET).await.unwrap(),
            // As far as the server reads it.
            _ => drop(timeout(Duration::from_millis(20), stream.write_all(&GET.repeat(4_000))).await),
        }
        hostile.push(stream);
    }
    let subscribed = clients / 2 + 1;
    until("half of them are subscribed", || route.subscribers() == subscribed).await;
    for round in 0..50 {
        for dripping in hostile.iter_mut().skip(1).step_by(4) {
            dripping.write_all(b"E").await.unwrap();
        }
        let begin = std::time::Instant::now();
        route.publish(&Message::new("x".repeat(DATA))).unwrap();
        assert_eq!(reader.read_messages(1).await, 1);
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(5), "round {round}: the reading client has waited for {took:?}");
    }
    let grown = resident().saturating_sub(before);
    eprintln!("{clients} hostile: {} KiB each", grown / clients / 1024);
    assert!(grown < clients * EACH + OTHERS, "{grown} bytes");
}

#[tokio::test]
async fn a_peer_that_takes_no_bytes_is_cut() {
    let (route, address) = start(Route::builder().history_bytes(8 << 20), Duration::from_millis(200));
    let stalled = Subscriber::open(address).await;
    // More than the sockets hold.
    let message = Message::new("x".repeat(DATA));
    for _ in 0..100 {
        route.publish(&message).unwrap();
    }
    until("the peer is cut", || route.stats().stalled == 1 && route.subscribers() == 0).await;
    drop(stalled);
}

/// The socket exists, but no packet reaches it any more, as when a cable is pulled.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_vanished_peer_is_noticed() {
    /// The program `ret 0`, which drops each packet.
    const DROP_ALL: socket2::SockFilter = socket2::SockFilter::new(0x06, 0, 0, 0);

    let heartbeat = Route::builder().heartbeat(Duration::from_millis(50));
    let (route, address) = start(heartbeat, Duration::from_millis(300));
    let vanished = Subscriber::open(address).await;
    socket2::SockRef::from(&vanished.stream).attach_filter(&[DROP_ALL]).unwrap();
    assert_eq!(route.subscribers(), 1);
    until("the peer is unsubscribed", || route.subscribers() == 0).await;
    assert_eq!(route.stats().stalled, 1);
    drop(vanished);
}

/// Returns how many files this process may open.
#[cfg(target_os = "linux")]
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    soft.expect("a limit").parse().unwrap_or(usize::MAX)
}

/// Returns how much memory of this process is resident, in bytes, without what the kernel holds for sockets.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    kib.expect("a size").parse::<usize>().unwrap() * 1024
}
