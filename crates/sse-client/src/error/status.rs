//! The names of statuses.

use std::fmt;

use reqwest::StatusCode;

/// A status with its name, if the name is known. It knows statuses of no standard that large sites use.
pub(super) struct Named(pub(super) StatusCode);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())?;
        let name = self.0.canonical_reason().or_else(|| unofficial(self.0));
        name.map_or(Ok(()), |name| write!(f, " {name}"))
    }
}

fn unofficial(status: StatusCode) -> Option<&'static str> {
    let name = match status.as_u16() {
        420 => "Enhance Your Calm",
        440 => "Login Time-out",
        444 => "No Response",
        494 => "Request Header Too Large",
        495 => "SSL Certificate Error",
        496 => "SSL Certificate Required",
        497 => "HTTP Request Sent to HTTPS Port",
        498 => "Invalid Token",
        499 => "Client Closed Request",
        509 => "Bandwidth Limit Exceeded",
        520 => "Web Server Returned an Unknown Error",
        521 => "Web Server Is Down",
        522 => "Connection Timed Out",
        523 => "Origin Is Unreachable",
        524 => "A Timeout Occurred",
        525 => "SSL Handshake Failed",
        526 => "Invalid SSL Certificate",
        529 => "Overloaded",
        530 => "Origin DNS Error",
        598 => "Network Read Timeout Error",
        599 => "Network Connect Timeout Error",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_status_is_shown_with_its_name() {
        for (status, expected) in [
            (404, "404 Not Found"),
            (429, "429 Too Many Requests"),
            (529, "529 Overloaded"),
            (524, "524 A Timeout Occurred"),
            (599, "599 Network Connect Timeout Error"),
            (555, "555"),
            (999, "999"),
        ] {
            assert_eq!(Named(StatusCode::from_u16(status).unwrap()).to_string(), expected);
        }
    }
}
