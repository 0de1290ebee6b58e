use std::io;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use http::Request;
use http_body_util::BodyDataStream;
use sse_server::{Route, Shutdown};
use tokio::net::TcpListener;

pub async fn serve(listener: TcpListener, route: Route, shutdown: Shutdown) -> io::Result<()> {
    let data = Data::new((route, shutdown.clone()));
    let app = move || App::new().app_data(data.clone()).route("/events", web::get().to(events));
    let server = HttpServer::new(app).listen(listener.into_std()?)?;
    server.shutdown_signal(async move { shutdown.begun().await }).run().await
}

async fn events(request: HttpRequest, data: Data<(Route, Shutdown)>) -> HttpResponse {
    let (route, shutdown) = &**data;
    let mut copy = Request::get(request.uri().to_string());
    if let Some(id) = request.headers().get("last-event-id") {
        copy = copy.header("last-event-id", id.as_bytes());
    }
    let mut copy = copy.body(()).expect("a checked request");
    shutdown.attach(copy.extensions_mut());

    let (head, body) = route.respond(&copy).into_parts();
    let mut response = HttpResponse::build(StatusCode::from_u16(head.status.into()).expect("a status"));
    for (name, value) in &head.headers {
        response.insert_header((name.as_str(), value.as_bytes()));
    }
    response.streaming(BodyDataStream::new(body))
}
