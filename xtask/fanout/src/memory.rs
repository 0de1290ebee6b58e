//! The memory of idle subscribers.

use std::thread;
use std::time::Duration;

use crate::contenders::Contender;
use crate::measures::float;
use crate::report::{Figure, Report};
use crate::server::Server;
use crate::{Result, system};

/// The largest number fits into a process that may open 20,000 files. All subscribers have the same address, which has
/// some 28,000 ports for connections to one server.
pub(crate) const SUBSCRIBERS: [usize; 3] = [1_000, 10_000, 19_000];

/// Time for the system to free closed connections, and for the server to pass the last ones to their threads.
const QUIET: Duration = Duration::from_millis(300);

/// Measures the memory of a server with this number of subscribers.
pub(crate) fn take(contender: &Contender, subscribers: usize, report: &mut Report) -> Result<()> {
    let server = Server::start(contender)?;
    thread::sleep(QUIET);
    let before = Memory::of(&server)?;
    // They are dropped before the server, so that its port is free at once.
    let waiting = server.subscribers(subscribers)?;
    thread::sleep(QUIET);
    let after = Memory::of(&server)?;
    let each = |bytes: u64| bytes as f64 / float(waiting.len());
    let resident = each(after.resident.saturating_sub(before.resident));
    let kernel = each(after.kernel.saturating_sub(before.kernel));
    report.add(contender, Figure::Memory, subscribers, 0, resident);
    report.add(contender, Figure::Kernel, subscribers, 0, kernel);
    Ok(())
}

struct Memory {
    resident: u64,
    kernel: u64,
}

impl Memory {
    fn of(server: &Server) -> Result<Self> {
        Ok(Self { resident: server.resident_memory()?, kernel: system::kernel_memory()? })
    }
}
