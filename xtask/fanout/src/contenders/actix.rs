//! actix-web with the `Sse` of actix-web-lab, which has no broadcast of its own. Here each subscriber has a bounded channel,
//! and an event waits for all of them.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{App, HttpServer, web};
use actix_web_lab::sse;
use futures_util::future;
use tokio::sync::mpsc;

use super::commands::{self, Commands};
use crate::{Result, event};

/// How many events may wait for a subscriber.
const WAITING: usize = 10;

type Clients = Arc<Mutex<Vec<mpsc::Sender<sse::Event>>>>;

pub(super) fn run() -> Result<()> {
    let clients = Clients::default();
    let listener = commands::listen()?;
    let server = HttpServer::new(move || {
        // This is called once, on the thread of the only worker. Publishing there does not wake another thread.
        actix_web::rt::spawn(publish(clients.clone()));
        App::new().app_data(web::Data::new(clients.clone())).route("/", web::get().to(subscribe))
    });
    let server = server.workers(1).tcp_nodelay(true).disable_signals().listen(listener)?;
    Ok(actix_web::rt::System::new().block_on(server.run())?)
}

async fn subscribe(clients: web::Data<Clients>) -> impl actix_web::Responder {
    let (sender, receiver) = mpsc::channel(WAITING);
    clients.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    sse::Sse::from_infallible_receiver(receiver)
}

async fn publish(clients: Clients) {
    let mut commands = Commands::from_stdin().expect("standard input is a pipe");
    while let Some(publish) = commands.next().await.expect("a command") {
        for _ in 0..publish.count {
            let text = event::text(publish.payload);
            let clients = clients.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let event = sse::Event::Data(sse::Data::new(text));
            future::join_all(clients.iter().map(|client| client.send(event.clone()))).await;
        }
    }
    std::process::exit(0);
}
