//! A real nginx before a hub.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// An nginx with a server of these lines, which is killed with the test.
pub struct Nginx {
    child: Child,
    _folder: tempfile::TempDir,
    /// As `127.0.0.1:1234`.
    pub address: String,
}

impl Nginx {
    /// Starts one, whose server has these lines; they may name the hub's address as `HUB`.
    pub fn start(hub: &str, lines: &str) -> Self {
        /// Another program may take the port that was free.
        const ATTEMPTS: usize = 10;

        (0..ATTEMPTS).find_map(|_| Self::try_start(&lines.replace("HUB", hub))).expect("nginx starts")
    }

    /// The lines that most guides have, and no others.
    pub fn with_defaults(hub: &str) -> Self {
        Self::start(hub, "location / { proxy_pass http://HUB; }")
    }

    fn try_start(lines: &str) -> Option<Self> {
        let program = std::env::var("NGINX").unwrap_or_else(|_| "nginx".to_owned());
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let path = folder.path().display();
        let temporary = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"];
        let temporary = temporary.map(|kind| format!("{kind}_temp_path {path}/{kind};")).concat();
        let settings = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/errors;
             events {{}}
             http {{ access_log off; {temporary} server {{ listen {address}; {lines} }} }}"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, settings).unwrap();
        let mut child = Command::new(&program)
            .args(["-e", "stderr", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask test` installs it"));
        let begun = Instant::now();
        while TcpStream::connect(&address).is_err() {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "nginx does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Some(Self { child, _folder: folder, address })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
