//! The runtimes of the commands.

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// A runtime on the thread that it is used from.
pub(crate) fn of_one_thread() -> Result<Runtime, Failure> {
    build(&mut Builder::new_current_thread())
}

/// A runtime with a thread for each CPU.
pub(crate) fn of_all_cpus() -> Result<Runtime, Failure> {
    build(&mut Builder::new_multi_thread())
}

fn build(builder: &mut Builder) -> Result<Runtime, Failure> {
    let runtime = builder.enable_all().build();
    runtime.map_err(|error| {
        Failure::failed(format!("the system gives no means to wait for connections: {error}"))
    })
}
