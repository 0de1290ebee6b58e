use std::io;

use poem::endpoint::TowerCompatExt as _;
use poem::listener::TcpAcceptor;
use poem::{EndpointExt as _, Server};
use sse_server::{Route, Shutdown};
use tokio::net::TcpListener;

pub async fn serve(listener: TcpListener, route: Route, shutdown: Shutdown) -> io::Result<()> {
    let app = poem::Route::new().at("/events", route.compat().data(shutdown.clone()));
    let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?);
    server.run_with_graceful_shutdown(app, async move { shutdown.begun().await }, None).await
}
