//! The rights of clients, and how they change while the hub runs.

#![cfg(unix)]

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Hub, Stream, assert_answers, assert_fails, run, write};
use ring::hmac;

/// Tokens of a file, each of at least 16 characters.
const ANNA: &str = "anna-0123456789ab";
const BOB: &str = "bob-0123456789abc";
const ROOT: &str = "root-0123456789ab";

/// A file of the keys and tokens that `PyJWT` has made; see `make.py` there.
fn jwt_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jwt").join(name)
}

fn jwt_path(name: &str) -> String {
    jwt_file(name).to_str().unwrap().to_owned()
}

/// A token that `PyJWT` has made.
fn jwt(name: &str) -> String {
    let tokens: HashMap<String, String> =
        serde_json::from_slice(&fs::read(jwt_file("tokens.json")).unwrap()).unwrap();
    tokens[name].clone()
}

/// A token that expires in this time.
fn jwt_for(time: Duration) -> String {
    let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + time;
    let claims = format!("{{\"exp\":{},\"sse\":{{\"subscribe\":[\"news\"]}}}}", end.as_secs_f64());
    let parts = [r#"{"alg":"HS256","typ":"JWT"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = parts.join(".");
    let secret = fs::read_to_string(jwt_file("secret")).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.trim().as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[test]
fn a_right_is_for_its_topics_only() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = write(
        &folder,
        "tokens",
        format!(
            "# who may do what\nsubscribe {ANNA} news/* inbox/anna user=anna\npublish {ANNA} inbox/*\n\
             subscribe {ROOT}\npublish {ROOT}\nstatus {BOB}\nsubscribe * public/*\n"
        ),
    );
    let hub = Hub::start(&["--token-file", &tokens]);
    let (anna, bob, root) = (bearer(ANNA), bearer(BOB), bearer(ROOT));
    hub_has_a_secret(&hub, &root);

    for path in
        ["/topics/news/a", "/topics/inbox/anna", "/topics/public/a", "/topics?topic=news/a&topic=public/b"]
    {
        Stream::open(&hub, path, &[&anna]);
    }
    for (path, topic) in [
        ("/topics/inbox/bob", "inbox/bob"),
        ("/topics/news", "news"),
        ("/topics?topic=news/a&topic=secret&topic=public/b", "secret"),
        ("/topics/secret", "secret"),
        // Whether it is there makes no difference.
        ("/topics/nothing", "nothing"),
    ] {
        let text = format!("\r\n\r\nthis token gives no right to subscribe to the topic {topic}\n");
        let refused = hub.get(path, &[&anna]);
        assert_answers(&refused, 403, &text);
        assert_answers(&refused, 403, "\r\nwww-authenticate: Bearer error=\"insufficient_scope\"\r\n");
        assert_answers(&hub.request("HEAD", path, &[&anna], ""), 403, "\r\n");
        let text =
            format!("a token is needed to subscribe to the topic {topic}; send it as `Authorization: ");
        // Without a token, another topic may be the first that is refused.
        if !path.contains("news/a") {
            assert_answers(&hub.get(path, &[]), 401, &text);
        }
    }
    assert_answers(&hub.post("/topics/inbox/bob", &[&anna], "a"), 200, "published");
    assert_answers(
        &hub.post("/topics/news/a", &[&anna], "a"),
        403,
        "no right to publish to the topic news/a\n",
    );
    assert_answers(&hub.post("/topics/public/a", &[], "a"), 401, "needed to publish to the topic public/a;");
    Stream::open(&hub, "/topics/public/a", &[]);

    for path in ["/status", "/metrics"] {
        let refused = hub.get(path, &[&anna]);
        assert_answers(&refused, 403, "this token gives no right to see all topics\n");
        assert!(!refused.contains("secret"), "{refused}");
        assert_answers(&hub.get(path, &[]), 401, "a token is needed to see all topics;");
    }
    for seeing in [&bob, &root] {
        assert_answers(&hub.get("/metrics", &[seeing]), 200, "topic=\"secret\"");
        assert!(Stream::open(&hub, "/status", &[seeing]).event().contains("\"secret\""));
    }
    assert_answers(&hub.get("/topics/secret", &[&bob]), 403, "no right to subscribe");
}

fn hub_has_a_secret(hub: &Hub, token: &str) {
    assert_answers(&hub.post("/topics/secret", &[token], "a"), 200, "published");
}

#[test]
fn jwts_of_each_algorithm_count_as_tokens() {
    let keys = ["rsa.pub", "p256.pub", "ed25519.pub", "secret"].map(jwt_path);
    let mut files: Vec<&str> = keys.iter().flat_map(|file| ["--jwt-keys", file]).collect();
    let pem = Hub::start(&files);
    let jwks = jwt_path("jwks.json");
    files = vec!["--jwt-keys", &jwks];
    let set = Hub::start(&files);
    for name in ["rsa", "p256", "ed25519", "secret"] {
        for (hub, name) in [(&pem, name), (&set, &*format!("{name} by name"))] {
            let token = jwt(name);
            let (header, cookie) = (bearer(&token), format!("Cookie: mercureAuthorization={token}"));
            assert_answers(&hub.post("/topics/inbox/a", &[&header], "a"), 200, "published");
            assert_answers(&hub.post("/topics/news/a", &[&header], "a"), 403, "no right to publish");
            Stream::open(hub, "/topics/news/a", &[&header]);
            Stream::open(hub, &format!("/topics/news/a?access_token={token}"), &[]);
            Stream::open(hub, &format!("/topics/news/a?authorization={token}"), &[]);
            Stream::open(hub, "/topics/news/a", &[&cookie]);
            assert_answers(&hub.post("/topics/inbox/a", &[&cookie], "a"), 401, "a token is needed");
            assert_answers(&hub.get("/metrics", &[&header]), 403, "no right to see all topics");
        }
    }
    let (template, all) = (bearer(&jwt("mercure")), bearer(&jwt("mercure of all")));
    let book = "/topics/https%3A%2F%2Fexample.com%2Fbooks%2F1";
    assert_answers(&pem.post(book, &[&template], "a"), 200, "published");
    Stream::open(&pem, book, &[&template]);
    assert_answers(&pem.get(&format!("{book}%2F2"), &[&template]), 403, "https://example.com/books/1/2\n");
    Stream::open(&pem, "/topics?topic=a&topic=b", &[&all]);
    assert_answers(&pem.get("/metrics", &[&all]), 200, "sse_topics");
}

#[test]
fn a_jwt_that_is_not_valid_is_refused_in_one_line() {
    let (jwks, rsa) = (jwt_path("jwks.json"), jwt_path("rsa.pub"));
    let hub = Hub::start(&["--jwt-keys", &jwks, "--jwt-keys", &rsa]);
    let all: HashMap<String, String> =
        serde_json::from_slice(&fs::read(jwt_file("tokens.json")).unwrap()).unwrap();
    let is_valid = |name: &str| {
        ["rsa", "p256", "ed25519", "secret", "mercure"].iter().any(|valid| name.starts_with(valid))
            || ["status", "nothing"].contains(&name)
    };
    let mut invalid: Vec<_> = all.into_iter().filter(|(name, _)| !is_valid(name)).collect();
    invalid.push(("expired at this moment".to_owned(), jwt_for(Duration::ZERO)));
    assert!(invalid.len() > 20);
    for (name, token) in invalid {
        for refused in [
            hub.get("/topics/news/a", &[&bearer(&token)]),
            hub.post("/topics/inbox/a", &[&bearer(&token)], "a"),
            hub.get(&format!("/topics/news/a?access_token={token}"), &[]),
        ] {
            assert_answers(&refused, 401, "\r\nwww-authenticate: Bearer error=\"invalid_token\"\r\n");
            let (_, line) = refused.split_once("\r\n\r\n").unwrap();
            assert!(line.starts_with("a valid token is needed to "), "{name}: {line}");
            assert_eq!(line.matches('\n').count(), 1, "{name}: {line}");
        }
    }
}

#[test]
fn the_stream_of_a_jwt_ends_when_it_expires() {
    // Without heartbeats, a stream that does not end is noticed.
    let hub = Hub::start(&["--jwt-keys", &jwt_path("secret"), "--heartbeat", "off"]);
    let start = Instant::now();
    let life = Duration::from_millis(1500);
    let token = bearer(&jwt_for(life));
    let streams = ["/topics/news", "/topics?topic=news"].map(|path| Stream::open(&hub, path, &[&token]));
    let longer = Stream::open(&hub, "/topics/news", &[&bearer(&jwt_for(life * 100))]);
    for stream in streams {
        stream.rest();
        // Times in the token are a fraction less exact.
        assert!(start.elapsed() + Duration::from_millis(50) > life, "{:?}", start.elapsed());
    }
    assert_answers(&hub.get("/topics/news", &[&token]), 401, "it has expired (`exp`)");
    drop(longer);
}

#[test]
fn a_poll_that_waits_ends_when_its_right_does() {
    let folder = tempfile::tempdir().unwrap();
    let tokens =
        write(&folder, "tokens", format!("publish *\nsubscribe {ANNA} news\nsubscribe {BOB} news\n"));
    let mut hub =
        Hub::start(&["--token-file", &tokens, "--jwt-keys", &jwt_path("secret"), "--access-log", "text"]);
    let poll = |token: &str| hub.send("GET", "/topics/news?poll=60s", &[&bearer(token)], "");
    let (expiring, revoked) = (poll(&jwt_for(Duration::from_millis(1500))), poll(ANNA));
    let mut staying = poll(BOB);
    let check = |mut answer: TcpStream| {
        let mut text = String::new();
        answer.read_to_string(&mut text).unwrap();
        assert_answers(&text, 401, "get a new one");
        assert!(text.contains("error=\"invalid_token\""), "{text}");
    };
    check(expiring);
    write(&folder, "tokens", format!("publish *\nsubscribe {BOB} news\n"));
    hub.program.signal("HUP");
    check(revoked);
    // Only callers that still have the right get the next event.
    hub.publish("news", "later");
    let mut page = String::new();
    staying.read_to_string(&mut page).unwrap();
    assert_answers(&page, 200, "later");
    hub.program.notice("end=token-expired");
    hub.program.notice("end=right-revoked");
}

#[test]
fn an_audience_that_is_set_must_be_named() {
    let secret = jwt_path("secret");
    let hub = Hub::start(&["--jwt-keys", &secret, "--jwt-audience", "hub"]);
    Stream::open(&hub, "/topics/news/a", &[&bearer(&jwt("audience"))]);
    assert_answers(&hub.get("/topics/news/a", &[&bearer(&jwt("secret"))]), 401, "no valid claim `aud`");
    let hub = Hub::start(&["--jwt-keys", &secret]);
    assert_answers(&hub.get("/topics/news/a", &[&bearer(&jwt("audience"))]), 401, "--jwt-audience");
}

#[test]
fn wrong_files_are_told_in_one_line_and_without_their_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = write(&folder, "wrong", "publish secretsecretsecret\nsubscribes secretsecretsecret\n");
    let short = write(&folder, "short", "secretsecretsecret\n");
    let check = |arguments: &[&str], text: &str| {
        let output = run(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
        assert_fails(&output, 2, text);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("secretsecret"));
    };
    check(&["--token-file", &wrong], &format!("--token-file {wrong}: line 2: begin it with `publish TOKEN`"));
    check(
        &["--jwt-keys", &short],
        &format!("--jwt-keys {short}: its secret has 18 bytes; at least 32 are needed"),
    );
    check(
        &["--jwt-keys", &wrong],
        &format!("--jwt-keys {wrong}: it is neither PEM nor a JWKS, and a secret is one line"),
    );
    check(&["--jwt-keys", "/nowhere/keys"], "--jwt-keys /nowhere/keys: No such file");
    check(&["--jwt-audience", "hub"], "--jwt-keys");
}

#[test]
fn sighup_reads_the_tokens_again_and_ends_only_streams_that_have_lost_their_right() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = write(&folder, "tokens", format!("publish *\nsubscribe {ANNA} a b\nsubscribe {BOB}\n"));
    let mut hub = Hub::start(&["--token-file", &tokens, "--heartbeat", "off"]);
    let (anna, bob, root) = (bearer(ANNA), bearer(BOB), bearer(ROOT));
    let mut staying = Stream::open(&hub, "/topics/a", &[&anna]);
    let narrowed = Stream::open(&hub, "/topics?topic=a&topic=b", &[&anna]);
    let (revoked, status) =
        (Stream::open(&hub, "/topics/a", &[&bob]), Stream::open(&hub, "/status", &[&bob]));
    assert_answers(&hub.get("/topics/a", &[&root]), 401, "this hub does not know it");

    // A file with a fault changes nothing.
    fs::write(&tokens, "publish *\nsubscribe short\n").unwrap();
    hub.program.signal("HUP");
    let told = hub.program.notice("ERROR");
    assert!(told.contains("the hub keeps what it had") && told.contains("line 2: a token has"), "{told}");
    fs::remove_file(&tokens).unwrap();
    hub.program.signal("HUP");
    hub.program.notice("--token-file ");
    hub.publish("a", "1");
    assert_eq!(staying.event(), "data: 1");

    fs::write(&tokens, format!("publish *\nsubscribe {ANNA} a\nsubscribe {ROOT}\n")).unwrap();
    hub.program.signal("HUP");
    hub.program.notice("read again");
    for ended in [narrowed, revoked, status] {
        ended.rest();
    }
    assert_answers(&hub.get("/topics/a", &[&bob]), 401, "this hub does not know it");
    Stream::open(&hub, "/topics/a", &[&root]);
    hub.publish("a", "2");
    assert_eq!(staying.event(), "data: 2");
    hub.program.signal("TERM");
    assert!(hub.program.end().success());
}

#[test]
fn sighup_reads_the_keys_again_and_ends_only_streams_of_a_removed_key() {
    let folder = tempfile::tempdir().unwrap();
    let both = [fs::read(jwt_file("rsa.pub")).unwrap(), fs::read(jwt_file("p256.pub")).unwrap()].concat();
    let keys = write(&folder, "keys", both);
    let mut hub = Hub::start(&["--jwt-keys", &keys, "--heartbeat", "off"]);
    let (rsa, p256, ed25519) = (bearer(&jwt("rsa")), bearer(&jwt("p256")), bearer(&jwt("ed25519")));
    let (mut staying, leaving) = (
        Stream::open(&hub, "/topics/inbox/anna", &[&rsa]),
        Stream::open(&hub, "/topics/inbox/anna", &[&p256]),
    );
    let rotated =
        [fs::read(jwt_file("ed25519.pub")).unwrap(), fs::read(jwt_file("rsa.pub")).unwrap()].concat();
    fs::write(&keys, rotated).unwrap();
    hub.program.signal("HUP");
    hub.program.notice("read again");
    leaving.rest();
    assert_answers(&hub.post("/topics/inbox/anna", &[&ed25519], "1"), 200, "published");
    assert_answers(&hub.post("/topics/inbox/anna", &[&p256], "2"), 401, "the algorithm ES256");
    assert_eq!(staying.event(), "data: 1");
}

#[test]
fn sighup_ends_no_hub_without_files_either() {
    let mut hub = Hub::start(&[]);
    let (mut stream, _) = Stream::at_the_end(&hub, "/topics/a");
    hub.program.signal("HUP");
    hub.program.notice("read again");
    hub.publish("a", "1");
    assert_eq!(stream.event(), "data: 1");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut hub = Hub::start(&["--grace", "1h"]);
        // A request whose body does not come.
        let mut request = TcpStream::connect(&hub.address).unwrap();
        let head = format!("POST /topics/a HTTP/1.1\r\nHost: {}\r\n", hub.address);
        write!(request, "{head}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(&request).read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        hub.program.signal("TERM");
        hub.program.notice("the hub is ending");
        hub.program.signal("HUP");
        hub.program.signal(name);
        assert_eq!(hub.program.end().code(), Some(code));
    }
}

#[test]
fn a_terminal_that_is_closed_ends_the_hub_and_nohup_keeps_it() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    for (before, ends) in [(&[][..], true), (&["nohup"][..], false)] {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(before).arg(env!("CARGO_BIN_EXE_sse"));
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.stdin(File::options().read(true).write(true).open(name).unwrap());
        let mut hub = Hub::start_with(command, &[]);
        drop(terminal);
        if ends {
            assert!(hub.program.end().success());
        } else {
            hub.program.notice("read again");
            hub.publish("a", "1");
        }
    }
}
