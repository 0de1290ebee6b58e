use std::io;
use std::time::Duration;

use salvo::conn::tcp::TcpAcceptor;
use salvo::fuse::FuseConfig;
use salvo::http::ReqBody;
use salvo::prelude::*;
use sse_server::{Route, Shutdown};
use tokio::net::TcpListener;

pub async fn serve(listener: TcpListener, route: Route, shutdown: Shutdown) -> io::Result<()> {
    let events = TowerServiceCompat::<ReqBody, _, _, _>::compat(route);
    let router = Router::with_path("events").hoop(Signal(shutdown.clone())).goal(events);
    let deadline = FuseConfig::default().with_write_stall_timeout(Duration::from_secs(10));
    let server = Server::new(TcpAcceptor::try_from(listener)?).fuse_config(deadline);
    let handle = server.handle();
    tokio::spawn(async move {
        shutdown.begun().await;
        handle.stop_graceful(None);
    });
    server.try_serve(router).await
}

struct Signal(Shutdown);

#[handler]
impl Signal {
    async fn handle(&self, request: &mut Request) {
        self.0.attach(request.extensions_mut());
    }
}
