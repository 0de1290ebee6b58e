//! The command for each event.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use super::common::{PATIENCE, Program, assert_fails, run, sse};
use super::{check, kill, of_streams};

#[test]
fn a_command_is_run_for_each_event() {
    let stream = "event: a\nid: 1\ndata: one\n\ndata: two\ndata: lines\n\nevent: b\ndata: 3\n\n";
    let print = "echo \"$SSE_TYPE $SSE_ID:\" && cat";
    check(stream, &["--exec", print, "-n", "2"], "a 1:\none\nmessage 1:\ntwo\nlines\n");
    check(stream, &["--exec", print, "-n", "1", "--type", "b"], "b 1:\n3\n");
    // It need not read what it is given, however much.
    let large = format!("data: {}\n\n", "a".repeat(1 << 20));
    check(&large, &["--exec", "echo done", "-n", "1"], "done\n");
    // It does not wait for a program that the command has left running, with its input open.
    let start = Instant::now();
    let leave = "exec 3<&0; sleep 60 <&3 >/dev/null 2>&1 & echo $!";
    let server = of_streams(&[&large]);
    let output = run(&["listen", &server.url("/"), "--quiet", "-n", "1", "--exec", leave]);
    kill("KILL", String::from_utf8(output.stdout).unwrap().trim().parse().unwrap());
    assert!(output.status.success() && start.elapsed() < PATIENCE);
}

#[test]
fn a_command_has_all_of_its_event_whatever_becomes_of_the_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let until_there = |name: &str| {
        while !path(name).exists() {
            thread::yield_now();
        }
    };
    // It begins to read when the listener is gone.
    let exec = "touch started; while [ ! -e go ]; do sleep 0.02; done; wc -c > count; mv count done";
    let server = of_streams(&[&format!("data: {}\n\n", "a".repeat(3_000_000))]);
    let mut command = sse(&["listen", &server.url("/"), "--exec", exec]);
    command.current_dir(folder.path());
    let mut program = Program::start(command);
    until_there("started");
    program.kill();
    fs::write(path("go"), "").unwrap();
    until_there("done");
    assert_eq!(fs::read_to_string(path("done")).unwrap().trim(), "3000001");
}

#[test]
fn a_command_ends_with_the_listener_and_with_all_that_it_has_started() {
    #[track_caller]
    fn check(signal: &str, arguments: &[&str], code: i32) {
        let folder = tempfile::tempdir().unwrap();
        let server = of_streams(&["data: 1\n\n"]);
        // A process that handles the signal, one that ignores it, and the shell.
        let exec =
            "trap 'echo told > told' TERM; (trap '' TERM; sleep 60) & sleep 61 & echo $! $$; wait; wait";
        let mut command = sse(&["listen", &server.url("/"), "--quiet", "--exec", exec]);
        command.args(arguments).current_dir(folder.path());
        let mut program = Program::start(command);
        let ids = program.line();
        if !signal.is_empty() {
            program.signal(signal);
        }
        assert_eq!(program.end().code(), Some(code));
        // No process has the output open any more.
        assert_eq!(program.stdout.next().map(Result::unwrap), None, "{ids}");
        assert_eq!(fs::read_to_string(folder.path().join("told")).unwrap(), "told\n");
    }

    check("TERM", &[], 143);
    check("INT", &[], 130);
    check("HUP", &[], 129);
    check("", &["--timeout", "300ms"], 0);
}

#[test]
fn a_command_that_is_not_there_is_told() {
    let server = of_streams(&["id: 1\ndata: 1\n\n"]);
    let output = run(&["listen", &server.url("/"), "--quiet", "--exec", "no-such-command"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let failure = "sse: --exec: `no-such-command` failed with exit status: 127 (it names what is not found) at the event with the id 1\n";
    assert!(stderr.ends_with(failure), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_command_that_fails_ends_it_before_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let server = of_streams(&["id: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\ndata: 3\n\n"]);
    let exec = ["--exec", "read line; test $line != 2", "--quiet", "--state", state.to_str().unwrap()];
    let output = run(&[&["listen", &server.url("/")], &exec[..]].concat());
    assert_fails(&output, 1, "failed with exit status: 1 at the event with the id 2");
    assert_eq!(fs::read_to_string(&state).unwrap(), "1\n");
}

#[test]
fn a_command_that_ctrl_c_ends_has_not_failed() {
    // Which of the two ends is seen first is a matter of chance.
    for _ in 0..20 {
        let server = of_streams(&["data: 1\n\n"]);
        let mut command = sse(&["listen", &server.url("/"), "--quiet", "--exec", "echo; exec sleep 60"]);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        // A terminal sends it to both.
        kill("INT", -i64::from(child.id()));
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(130), Vec::new()));
    }
}
