//! `sse-codec` beside its published peers: all in one run, interleaved, medians, as tables with ratios.

mod contenders;
mod encoders;
mod streams;
mod timing;

use std::hint::black_box;
use std::process::ExitCode;

use bytes::Bytes;
use encoders::Outgoing;
use streams::Sample;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sse-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        [] => {
            decode(&streams::all());
            encode();
        }
        ["decode"] => decode(&streams::all()),
        ["decode", name] => {
            decode(&[streams::named(name).ok_or_else(|| format!("there is no stream `{name}`"))?]);
        }
        ["encode"] => encode(),
        ["encode-once", name, encoder] => encode_once(name, encoder)?,
        ["once", stream, size, contender] => once(stream, size, contender)?,
        _ => return Err("usage: sse-bench [decode [STREAM] | encode]".into()),
    }
    Ok(())
}

/// One pass of one decoder, for a program that counts instructions (`valgrind --tool=callgrind
/// --toggle-collect=sse_bench::measured`).
fn once(stream: &str, size: &str, contender: &str) -> Result<(), String> {
    let sample = streams::named(stream).ok_or_else(|| format!("there is no stream `{stream}`"))?;
    let size = size.parse().map_err(|_| format!("`{size}` is not a length of chunks"))?;
    let contenders = contenders::ALL.iter().find(|(name, _)| name.starts_with(contender));
    let (_, contender) = contenders.ok_or_else(|| format!("there is no decoder `{contender}`"))?;
    let chunks = cut(&Bytes::from(sample.bytes), size);
    let seen = measured(*contender, &chunks);
    println!("{} events", seen.events);
    Ok(())
}

/// The same for one encoder, which writes an event a thousand times.
fn encode_once(name: &str, encoder: &str) -> Result<(), String> {
    let event = encoders::events().into_iter().find(|event| event.name == name);
    let event = event.ok_or_else(|| format!("there is no event `{name}`"))?;
    let encoder = encoders::ALL.iter().find(|(name, _)| name.starts_with(encoder));
    let (_, encoder) = encoder.ok_or("there is no such encoder")?;
    println!("{} bytes", measured_encoder(*encoder, event).len());
    Ok(())
}

#[inline(never)]
fn measured_encoder(encoder: encoders::Encoder, event: Outgoing) -> Bytes {
    encoder(event, 1000)
}

#[inline(never)]
fn measured(contender: contenders::Contender, chunks: &[Bytes]) -> contenders::Seen {
    contender(chunks)
}

/// Prints the table of the decoders.
fn decode(samples: &[Sample]) {
    println!(
        "\nDecoders, in MB/s, built with {}. `sse-codec` lends events, `owned` are its events with text of their own, `stream` \
         the same from `Events`, `shared` those of `SharedEvents`. The ratios are how many times as fast as the fastest \
         peer the first two are.\n",
        profile()
    );
    let names = contenders::ALL.map(|(name, _)| name).join(" | ");
    println!("| stream | chunks | {names} | lent, fastest peer | owned, fastest peer |");
    println!("|---|---|{}---|---|", "---|".repeat(contenders::ALL.len()));
    for sample in samples {
        for (name, size) in
            [("16 KiB", 16 * 1024), ("1,400 B", 1400), ("64 B", 64), ("an event", sample.event)]
        {
            decode_row(sample, name, size);
        }
    }
    any_cut();
}

/// The profile of this program's build, which is the name of its directory.
fn profile() -> &'static str {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
    match folder.to_str() {
        Some("release") => "the default release profile (no LTO, 16 codegen units)",
        Some("lto") => "thin LTO and one codegen unit",
        _ => "an unknown profile",
    }
}

fn decode_row(sample: &Sample, chunks_name: &str, size: usize) {
    let whole = Bytes::copy_from_slice(&sample.bytes);
    let chunks = cut(&whole, size);
    let expected = contenders::ALL[0].1(&chunks);
    for (name, contender) in contenders::ALL {
        assert_eq!(contender(&chunks), expected, "{name} sees something else in {}", sample.name);
    }
    let times = timing::medians::<{ contenders::ALL.len() }>(whole.len(), |contender| {
        black_box(contenders::ALL[contender].1(black_box(&chunks)));
    });
    let speeds = times.map(|nanoseconds| 1e3 / nanoseconds);
    let fastest = speeds[4..].iter().copied().fold(0.0, f64::max);
    let shown = speeds.map(|speed| format!("{speed:.0}")).join(" | ");
    println!(
        "| {} | {chunks_name} | {shown} | {:.2}× | {:.2}× |",
        sample.name,
        speeds[0] / fastest,
        speeds[1] / fastest
    );
}

fn cut(whole: &Bytes, size: usize) -> Vec<Bytes> {
    (0..whole.len()).step_by(size).map(|start| whole.slice(start..whole.len().min(start + size))).collect()
}

/// Prints the cost of a byte of a big event in the smallest chunks. The time is linear if a byte costs as much in an event
/// of a sixteenth of the length.
fn any_cut() {
    let events = |length, count| Bytes::from(format!("data: {}\n\n", "x".repeat(length)).repeat(count));
    let [one, sixteen] = [events(1 << 20, 1), events(1 << 16, 16)];
    let jobs = [cut(&one, 1), cut(&one, 64), cut(&sixteen, 1)];
    let [by_one, by_64, sixteen_by_one] = timing::medians(one.len(), |job| {
        black_box(contenders::sse_codec(black_box(&jobs[job])));
    });
    println!(
        "\n1 MiB in one event: {by_one:.2} ns per byte in chunks of 1 B, {by_64:.2} of 64 B; {:.1}×.\n\
        1 MiB in 16 events: {sixteen_by_one:.2} ns per byte in chunks of 1 B; {:.2}×.",
        by_one / by_64,
        by_one / sixteen_by_one
    );
}

/// Prints the table of the encoders.
fn encode() {
    println!(
        "\nEncoders, in ns per event, built with {}. The ratios are how many times as fast as these `sse-codec` is.\n",
        profile()
    );
    println!(
        "| event | bytes | {} | by hand | fastest peer |",
        encoders::ALL.map(|(name, _)| name).join(" | ")
    );
    println!("|---|---|{}---|---|", "---|".repeat(encoders::ALL.len()));
    for event in encoders::events() {
        encode_row(event);
    }
}

fn encode_row(event: Outgoing) {
    for (name, encoder) in encoders::ALL {
        assert!(decodes_to(&encoder(event, 1), event), "{name} writes something else for {}", event.name);
    }
    let bytes = encoders::ALL[0].1(event, 1);
    assert_eq!(bytes, encoders::ALL[1].1(event, 1), "the floor must write the same bytes");
    // Some milliseconds each.
    let events = (4 << 20) / bytes.len();
    let times = timing::medians::<{ encoders::ALL.len() }>(events, |encoder| {
        black_box(encoders::ALL[encoder].1(event, events));
    });
    let [ours, floor, peers @ ..] = times;
    let fastest = peers.into_iter().fold(f64::INFINITY, f64::min);
    let shown = times.map(|nanoseconds| format!("{nanoseconds:.0}")).join(" | ");
    println!(
        "| {} | {} | {shown} | {:.2}× | {:.2}× |",
        event.name,
        bytes.len(),
        floor / ours,
        fastest / ours
    );
}

/// Returns whether these bytes are this one event. This is a decoder of its own, so that the measured one is compiled
/// for one loop alone, as in most programs.
fn decodes_to(mut bytes: &[u8], event: Outgoing) -> bool {
    let mut decoder = sse_codec::FixedDecoder::<8192>::fixed();
    let read = decoder.next_event(&mut bytes).expect("it fits");
    let same = read.is_some_and(|read| {
        read.event_type() == event.event_type.unwrap_or("message")
            && read.data() == event.data
            && read.last_event_id() == event.id.unwrap_or_default()
    });
    same && bytes.is_empty()
}
