//! A disk that can be full.

use std::env;
use std::ffi::CString;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

/// The size of the file system. Half of it is taken by a file.
const BYTES: usize = 8 * 1024 * 1024;

/// The name of that file.
const BALLAST: &str = "ballast";

/// A file system of 4 MiB in memory, with a file of 4 MiB more that can be removed.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Runs a test with a new one. Only root can mount it, so another user runs this test again, as root of a user
    /// namespace. `name` is the whole name of the test.
    ///
    /// # Panics
    ///
    /// If the test fails, or if the file system can't be mounted.
    pub fn run(name: &str, test: impl FnOnce(Self)) {
        if rustix::process::geteuid().is_root() {
            test(Self::mount());
            return;
        }
        let program = env::current_exe().expect("the system knows the path of a program");
        let mut again = Command::new("unshare");
        again.args(["--user", "--map-root-user", "--mount"]).arg(program).args([
            "--exact",
            name,
            "--nocapture",
        ]);
        let status = again.status().expect("`unshare` of util-linux, since this user is not root");
        assert!(status.success(), "the test has failed as root of a user namespace");
    }

    fn mount() -> Self {
        let directory = tempfile::tempdir().expect("the folder for temporary files can be written");
        let size = CString::new(format!("size={BYTES}")).expect("the text has no NUL");
        mount("none", directory.path(), "tmpfs", MountFlags::empty(), Some(&*size))
            .expect("root can mount it");
        let disk = Self(directory);
        fs::write(disk.path().join(BALLAST), vec![0; BYTES / 2]).expect("there is room");
        disk
    }

    /// Returns the path where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes the large file, if it is still there.
    pub fn make_room(&self) {
        let _ = fs::remove_file(self.path().join(BALLAST));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}
