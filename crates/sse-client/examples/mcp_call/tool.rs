//! Servers of each version, with a tool that counts to five and reports its progress.

use serde_json::{Value, json};

use super::server::{self, Answer, Request};

/// A server of 2026-07-28, which answers a call with a stream of its own.
pub(crate) fn serve(request: &Request) -> Answer {
    let message: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let version = &message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    if request.header("mcp-protocol-version") != super::VERSION || version != super::VERSION {
        let data = json!({ "supported": [super::VERSION], "requested": version });
        let code = super::UNSUPPORTED_VERSION;
        return error("400 Bad Request", &message, code, "Unsupported protocol version", &data);
    }
    if request.header("mcp-method") != message["method"] {
        return error("400 Bad Request", &message, -32020, "Header mismatch: Mcp-Method", &Value::Null);
    }
    if message["method"] != "tools/call" || message["params"]["name"] != "count" {
        return error("404 Not Found", &message, -32601, "Method not found", &Value::Null);
    }
    server::stream((1..=6).map(|number| format!("data: {}\n\n", step(&message["id"], number))))
}

/// A server of 2025-11-25, which cuts every stream after two events.
pub(crate) fn serve_older(request: &Request) -> Answer {
    let message: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let from = match (request.line.split(' ').next(), message["method"].as_str()) {
        (Some("GET"), _) => request.header("last-event-id").parse().unwrap_or(0) + 1,
        _ if request.header("mcp-protocol-version") == super::VERSION => {
            return ("400 Bad Request", "text/plain", vec!["no such version".to_owned()]);
        }
        (_, Some("initialize")) => {
            let result = json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} } });
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            return ("200 OK", "application/json", vec![answer.to_string()]);
        }
        (_, Some("tools/call")) => 0,
        _ => return ("202 Accepted", "text/plain", Vec::new()),
    };
    let events = (from..=6).map(|number| {
        let message = if number == 0 { String::new() } else { step(&json!(2), number).to_string() };
        format!("id: {number}\nretry: 100\ndata: {message}\n\n")
    });
    server::stream(events.take(2))
}

/// Returns the message of each step. The sixth step is the result.
fn step(id: &Value, number: u64) -> Value {
    match number {
        1..=5 => {
            let params = json!({ "progressToken": id, "progress": number });
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
        }
        _ => json!({ "jsonrpc": "2.0", "id": id, "result": { "counted": 5, "resultType": "complete" } }),
    }
}

fn error(status: &'static str, message: &Value, code: i64, text: &str, data: &Value) -> Answer {
    let error = json!({ "code": code, "message": text, "data": data });
    let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
    (status, "application/json", vec![answer.to_string()])
}
