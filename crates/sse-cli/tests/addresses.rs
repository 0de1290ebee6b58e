//! Where a hub listens: https, Unix sockets, several addresses, and as a service of systemd.

#![cfg(unix)]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::{Hub, Program, Stream, assert_answers, assert_fails, run, sse, write};

/// A certificate for `localhost` that signs itself, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A hub that speaks https, with the files of its certificate.
struct SecureHub {
    program: Program,
    port: String,
    folder: tempfile::TempDir,
}

impl SecureHub {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = certificate();
        let (chain, key) = (write(&folder, "chain.pem", chain), write(&folder, "key.pem", key));
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", &chain, "--tls-key", &key];
        let mut program = Program::start(sse(&arguments));
        let line = program.line();
        let (_, rest) = line.split_once("https://127.0.0.1:").unwrap_or_else(|| panic!("{line}"));
        let port = rest.split('/').next().unwrap().to_owned();
        Self { program, port, folder }
    }

    /// Replaces the files, and gives the path of another file with the same certificate.
    fn replace(&self, name: &str) -> String {
        let (chain, key) = certificate();
        write(&self.folder, "chain.pem", &chain);
        write(&self.folder, "key.pem", key);
        write(&self.folder, name, chain)
    }

    /// A curl that trusts the certificate of this file.
    fn curl(&self, trusted: &str, path: &str, arguments: &[&str]) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "30", "--cacert", trusted, "--resolve"]);
        curl.arg(format!("localhost:{}:127.0.0.1", self.port)).args(arguments);
        curl.arg(format!("https://localhost:{}{path}", self.port));
        curl
    }
}

/// Asserts that a program succeeds, and gives what it prints.
#[track_caller]
fn output_of(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn https_goes_on_with_a_new_certificate_and_ends_no_stream() {
    let mut hub = SecureHub::start();
    let first = hub.replace("first.pem");
    hub.program.signal("HUP");
    hub.program.notice("read again");
    for (version, flag) in [("2", "--http2"), ("1.1", "--http1.1")] {
        let told = output_of(hub.curl(&first, "/healthz", &[flag, "-w", "%{http_version}"]));
        assert_eq!(told, format!("ok\n{version}"));
    }
    let stream = |flag| {
        let mut stream = Program::start(hub.curl(&first, "/topics/a", &["-N", flag]));
        while !stream.line().starts_with("id: ") {}
        stream
    };
    let mut streams = [stream("--http2"), stream("--http1.1")];

    // The key of another certificate changes nothing.
    write(&hub.folder, "key.pem", certificate().1);
    hub.program.signal("HUP");
    let told = hub.program.notice("ERROR");
    assert!(told.contains("is not that of the certificate"), "{told}");
    output_of(hub.curl(&first, "/topics/a", &["-d", "one"]));

    let second = hub.replace("second.pem");
    hub.program.signal("HUP");
    hub.program.notice("read again");
    assert_eq!(hub.curl(&first, "/healthz", &[]).output().unwrap().status.code(), Some(60));
    output_of(hub.curl(&second, "/topics/a", &["-d", "two"]));
    for stream in &mut streams {
        for expected in ["data: one", "data: two"] {
            while stream.line() != expected {}
        }
    }
    // Streams of TLS end with the hub, too.
    hub.program.signal("TERM");
    assert!(hub.program.end().success());
    for stream in &mut streams {
        assert!(stream.end().success());
    }
}

#[test]
fn a_client_without_tls_gets_an_answer_and_keeps_no_other_out() {
    let hub = SecureHub::start();
    let trusted = hub.folder.path().join("chain.pem");
    let address = format!("127.0.0.1:{}", hub.port);
    // Connections that send nothing and stay open.
    let _silent: Vec<_> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for garbage in [&b"\x16\x03\x01\xff\xff"[..], b"\x00", b"\xff\xff\xff\xff"] {
        TcpStream::connect(&address).unwrap().write_all(garbage).unwrap();
    }
    let mut plain = TcpStream::connect(&address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).unwrap();
    assert_answers(&answer, 400, "\r\n\r\nthis port speaks https; write https:// in the URL\n");
    assert_eq!(output_of(hub.curl(trusted.to_str().unwrap(), "/healthz", &[])), "ok\n");
}

#[test]
fn wrong_certificates_are_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let ((chain, key), (_, other)) = (certificate(), certificate());
    let chain = write(&folder, "chain.pem", chain);
    let (key, other) = (write(&folder, "key.pem", key), write(&folder, "other.pem", other));
    let empty = write(&folder, "empty.pem", "");
    let check = |chain: &str, key: &str, text: &str| {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", chain, "--tls-key", key];
        assert_fails(&run(&arguments), 2, text);
    };
    check(&chain, &other, &format!("--tls-key {other}: the key is not that of the certificate in {chain}"));
    check(&empty, &key, &format!("--tls-cert {empty}: it has no certificate in PEM"));
    check(&chain, &empty, &format!("--tls-key {empty}: it has no private key without a passphrase in PEM"));
    check(&key, &chain, &format!("--tls-cert {key}: it has no certificate in PEM"));
    check("/nowhere/chain", &key, "--tls-cert /nowhere/chain: No such file");
    check(&chain, "/nowhere/key", "--tls-key /nowhere/key: No such file");
    check(&chain, "/nowhere/key", "/nowhere/key: ");
    assert_fails(&run(&["serve", "--tls-cert", &chain]), 2, "--tls-key");
}

#[test]
fn a_unix_socket_is_one_more_address_and_is_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listen = format!("unix:{}", path.display());
    let start = || {
        let mut program = Program::start(sse(&["serve", "--listen", &listen]));
        assert_eq!(program.line(), format!("The hub runs at {listen}, with a live page."));
        program
    };
    let curl = |topic: &str, arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-sSN", "--max-time", "30", "--unix-socket"]).arg(&path).args(arguments);
        curl.arg(format!("http://localhost/topics/{topic}"));
        curl
    };

    let mut killed = start();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert_fails(&run(&["serve", "--listen", &listen]), 1, "is in use by another program; end it");
    killed.kill();
    assert!(path.exists());

    let mut hub = start();
    let mut stream = Program::start(curl("a", &[]));
    while !stream.line().starts_with("id: ") {}
    output_of(curl("a", &["-d", "Hello"]));
    while stream.line() != "data: Hello" {}
    hub.signal("TERM");
    assert!(hub.end().success() && stream.end().success());
    assert!(!path.exists());

    fs::write(&path, "a file of somebody").unwrap();
    assert_fails(&run(&["serve", "--listen", &listen]), 1, "is a file and not a socket; remove it");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file of somebody");
    let nowhere = "unix:/nowhere/socket";
    assert_fails(&run(&["serve", "--listen", nowhere]), 1, "can't listen on unix:/nowhere/socket: ");
}

#[test]
fn a_hub_has_several_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listen = format!("unix:{}", path.display());
    let hub = Hub::start(&["--listen", &listen]);
    let (mut stream, _) = Stream::at_the_end(&hub, "/topics/a");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-d", "Hello", "http://localhost/topics/a", "--unix-socket"]).arg(&path);
    output_of(curl);
    assert_eq!(stream.event(), "data: Hello");
}

#[test]
fn the_unit_file_is_one_that_systemd_takes() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sse.service");
    let text = fs::read_to_string(unit).unwrap().replace("/usr/local/bin/sse", env!("CARGO_BIN_EXE_sse"));
    let folder = tempfile::tempdir().unwrap();
    let unit = write(&folder, "sse.service", text);
    let verified = match Command::new("systemd-analyze").args(["verify", "--man=no", &unit]).output() {
        Ok(verified) => verified,
        Err(error) if std::env::var_os("CI").is_some() => panic!("systemd-analyze: {error}"),
        // Such as on a system without systemd.
        Err(_) => return,
    };
    // It succeeds with lines that it does not know.
    let told = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && told.is_empty(), "{told}");
}
