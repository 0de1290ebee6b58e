//! The state file.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use sse_testing::{Answer, Server};

use super::common::{Hub, Program, assert_fails, run, sse};
use super::{STREAM, of_streams};

#[test]
fn a_state_file_goes_on_where_the_last_run_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let hub = Hub::start(&[]);
    let url = hub.url("/topics/news");
    let arguments = ["listen", &url, "--data", "--state", state.to_str().unwrap()];
    let saved = || fs::read_to_string(&state).unwrap_or_default();
    let until_saved = |id: &str| {
        while saved() != format!("{id}\n") {
            thread::yield_now();
        }
    };

    // It is killed before the first event, and still has a position.
    let mut program = Program::start(sse(&arguments));
    while saved().is_empty() {
        thread::yield_now();
    }
    program.kill();
    hub.publish("news", "1");
    let mut program = Program::start(sse(&arguments));
    assert_eq!(program.line(), "1");
    until_saved(&hub.publish("news", "2"));
    assert_eq!(program.line(), "2");
    program.kill();
    let ids = ["3", "4"].map(|data| hub.publish("news", data));
    let mut counted = sse(&arguments);
    let output = counted.args(["-n", "1", "--quiet"]).output().unwrap();
    assert_eq!((output.stdout, output.stderr), (b"3\n".to_vec(), Vec::new()));
    assert_eq!(saved(), format!("{}\n", ids[0]));
    let mut program = Program::start(sse(&arguments));
    assert_eq!(program.line(), "4");
    program.signal("TERM");
    assert_eq!(program.end().code(), Some(143));
    assert_eq!(saved(), format!("{}\n", ids[1]));
    // Itself and its lock.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left there");
}

#[test]
fn a_listener_that_is_killed_again_and_again_misses_nothing() {
    const EVENTS: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let hub = Hub::start(&[]);
    let url = hub.url("/topics/news");
    let listen = || Program::start(sse(&["listen", &url, "--data", "--state", state.to_str().unwrap()]));
    let mut program = listen();
    while !state.exists() {
        thread::yield_now();
    }
    let listening = || {
        let mut next = 0;
        while next < EVENTS {
            let mut seen: Vec<_> = (0..4.min(EVENTS - next)).map(|_| program.line()).collect();
            program.kill();
            // What it had printed by then; the kill may have cut the last line.
            seen.extend(program.stdout.by_ref().map(Result::unwrap).filter(|line| line.len() == 5));
            program = listen();
            // It may begin with what was printed and not yet saved.
            let first: usize = seen[0].parse().unwrap();
            assert!(first <= next, "{next} to {first} are missing");
            for (line, expected) in seen.iter().zip(first..) {
                assert_eq!(line.parse(), Ok(expected));
            }
            next = next.max(first + seen.len());
        }
    };
    thread::scope(|scope| {
        scope.spawn(listening);
        for number in 0..EVENTS {
            hub.publish("news", &format!("{number:05}"));
        }
    });
}

#[test]
fn a_state_file_has_one_listener() {
    let folder = tempfile::tempdir().unwrap();
    let [state, link] = ["state", "link"].map(|name| folder.path().join(name));
    fs::write(&state, "7\n").unwrap();
    std::os::unix::fs::symlink("state", &link).unwrap();
    let stream = |part: &str| Answer::raw(format!("{STREAM}{part}")).held();
    let server = Server::start([stream("id: 8\ndata: a\n\n"), stream("data: b\n\n")]);
    let url = server.url("/");
    let listen = |state: &Path| sse(&["listen", &url, "--data", "--state", state.to_str().unwrap()]);
    let mut program = Program::start(listen(&state));
    assert_eq!(program.line(), "a");
    for name in [&state, &link] {
        assert_fails(
            &listen(name).output().unwrap(),
            1,
            "another sse listen is using it; end that one, or name",
        );
    }
    // However it ends, the next one can use the file.
    program.kill();
    assert_eq!(fs::read_to_string(&state).unwrap(), "8\n");
    let mut program = Program::start(listen(&link));
    assert_eq!(program.line(), "b");
}

#[test]
fn a_state_file_may_be_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let [state, link] = ["state", "link"].map(|name| folder.path().join(name));
    fs::write(&state, "7\n").unwrap();
    std::os::unix::fs::symlink("state", &link).unwrap();
    let server = of_streams(&["id: 8\ndata: a\n\n"]);
    assert!(
        run(&["listen", &server.url("/"), "-n", "1", "--state", link.to_str().unwrap()]).status.success()
    );
    assert!(server.blocking_request().head().contains("\r\nlast-event-id: 7\r\n"));
    assert_eq!(fs::read_to_string(&state).unwrap(), "8\n");
    assert!(link.is_symlink());
}

#[test]
fn a_state_that_is_not_a_regular_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [pipe, large] = ["pipe", "large"].map(|name| folder.path().join(name));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    for (state, text) in [
        (pipe.as_path(), "it is no regular file; name another one"),
        (folder.path(), "it is no regular file; name another one"),
        (&large, "it is too large for an event ID; name another one"),
    ] {
        assert_fails(&run(&["listen", "127.0.0.1:1", "--state", state.to_str().unwrap()]), 2, text);
    }
}

#[test]
fn a_state_that_can_not_be_saved_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::write(&state, "7\n").unwrap();
    let server = of_streams(&["id: 8\ndata: a\n\n"]);
    // As on a full disk: no file can grow. The signal for it is ignored, so that it is an error.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let listen = ["listen", &server.url("/"), "--data", "--quiet", "--state", state.to_str().unwrap()];
    let output =
        Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_sse")]).args(listen).output().unwrap();
    assert_eq!(output.stdout, b"a\n");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("the id 8 could not be saved") && stderr.contains("still has the id before"),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&state).unwrap(), "7\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    assert!(server.blocking_request().head().contains("\r\nlast-event-id: 7\r\n"));
}
