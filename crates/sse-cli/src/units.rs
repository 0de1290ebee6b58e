//! Times and sizes, as people write them.

use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::RangedU64ValueParser;
use jiff::SignedDuration;

/// A time, as `15s`, `1m30s` or `250ms`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.ok_or_else(|| "write a time as 15s, 1m30s or 250ms".to_owned())
}

/// A time, or `off`.
pub(crate) fn time_or_off(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        _ => time(text).map(Some).map_err(|error| format!("{error}, or as off")),
    }
}

/// A size in bytes, as `65536`, `64KiB` or `1MiB`.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
    bytes.ok_or_else(|| "write a size as 65536, 64KiB or 1MiB".to_owned())
}

/// A size in bytes that is not zero.
pub(crate) fn bytes_at_least_one(text: &str) -> Result<usize, String> {
    bytes(text).and_then(|bytes| {
        if bytes == 0 { Err("there must be room for one byte".to_owned()) } else { Ok(bytes) }
    })
}

/// A number of things of which there must be one.
pub(crate) fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}
