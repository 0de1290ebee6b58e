use axum::Router;
use sse_server::Route;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

/// Compresses responses for which it is worthwhile, which event streams are not.
pub fn default(route: Route) -> Router {
    Router::new().route_service("/events", route).layer(CompressionLayer::new())
}

/// Compresses event streams too.
pub fn forced(route: Route) -> Router {
    let layer = CompressionLayer::new().compress_when(SizeAbove::default());
    Router::new().route_service("/events", route).layer(layer)
}
