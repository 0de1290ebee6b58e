//! Properties of random streams in random cuts: the decoder gives what the oracle gives, and decodes what the encoder
//! writes.

#![cfg(feature = "alloc")]

mod common;

use common::trouble::PIECES;
use common::{
    check_finish, check_items, check_storages, cut, decode, decode_data_within, decode_within, lines,
    lines_within, oracle,
};
use proptest::collection::vec;
use proptest::prelude::*;
use sse_codec::{EventId, EventType, LineDecoder, Message};

/// Random pieces that are likely to cause trouble, and a few random bytes.
fn trouble() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![8 => proptest::sample::select(PIECES).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..4)];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// 4,000 cases of each property, or `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 4000 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A limit so small that many texts are longer.
const LIMIT: usize = 16;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_stream_in_any_cut_decodes_as_the_oracle_does(stream in trouble(), lengths in vec(0u8..9, 1..8)) {
        let expected = oracle::interpret(&stream);
        prop_assert_eq!(&decode([&stream[..]]), &expected);
        prop_assert_eq!(&decode(cut(&stream, &lengths)), &expected);
    }

    #[test]
    fn any_stream_in_any_cut_ends_as_by_an_empty_line(stream in trouble(), lengths in vec(0u8..9, 1..8)) {
        check_finish::<LIMIT>(&stream, &cut(&stream, &lengths));
    }

    #[test]
    fn the_items_of_any_stream_in_any_cut_are_those_of_the_oracle(stream in trouble(), lengths in vec(0u8..9, 1..8)) {
        check_items::<LIMIT>(&stream, &cut(&stream, &lengths));
    }

    #[test]
    fn every_line_is_returned_and_the_lines_lead_to_the_same_events(stream in trouble(), lengths in vec(0u8..9, 1..8)) {
        let found = lines(&mut LineDecoder::new(), cut(&stream, &lengths));
        let found: Vec<String> = found.into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(&found, &oracle::lines(&stream));
        prop_assert_eq!(oracle::dispatch(found.iter().map(String::as_str)), decode([&stream[..]]));
    }

    #[test]
    fn with_a_limit_any_cut_gives_the_same_lines(stream in trouble(), lengths in vec(0u8..9, 1..8)) {
        // An unfinished line over the limit is an error as well.
        let stream = [&stream[..], b"\n"].concat();
        let whole = lines_within::<LIMIT>(&[&stream]);
        prop_assert_eq!(&lines_within::<LIMIT>(&cut(&stream, &lengths)), &whole);
        let expected = oracle::lines(&stream).into_iter().map(|line| (line.len() <= LIMIT).then_some(line));
        prop_assert!(whole.into_iter().map(Result::ok).eq(expected));
    }

    #[test]
    fn with_a_limit_any_cut_gives_the_same_events_and_errors(stream in trouble(), lengths in vec(0u8..9, 1..8)) {
        let whole = decode_within::<LIMIT>(&[&stream]);
        prop_assert_eq!(&decode_within::<LIMIT>(&cut(&stream, &lengths)), &whole);
        for (event_type, data, id) in whole.into_iter().flatten() {
            prop_assert!(event_type.len() <= LIMIT && data.len() <= LIMIT && id.len() <= LIMIT);
        }
        let whole = decode_data_within::<LIMIT>(&[&stream]);
        prop_assert_eq!(&decode_data_within::<LIMIT>(&cut(&stream, &lengths)), &whole);
        // The types and ids of a short stream are below their limit, so all events with short data are those of the
        // oracle.
        let expected = oracle::interpret(&stream).events.into_iter().filter(|(_, data, _)| data.len() <= LIMIT);
        prop_assert!(whole.into_iter().flatten().eq(expected));
    }

    #[test]
    fn fixed_and_growing_storage_give_the_same(
        connections in vec((trouble(), vec(0u8..9, 1..8), proptest::option::of("[^\r\n\0]{0,20}")), 1..4),
    ) {
        let connections = connections.iter();
        check_storages::<LIMIT>(connections.map(|(stream, lengths, id)| (id.as_deref(), cut(stream, lengths))));
    }

    #[test]
    fn a_message_is_decoded_as_it_was_written(
        data in "(?s).{0,40}", name in "[^\r\n]{0,9}", id in "[^\r\n\0]{0,9}", comment in "(?s).{0,9}", lengths in vec(0u8..9, 1..8),
    ) {
        let message = Message::new(&data)
            .event_type(EventType::new(&name).unwrap())
            .id(EventId::new(&id).unwrap())
            .comment(&comment);
        let bytes = message.to_vec();
        let outcome = decode(cut(&bytes, &lengths));
        let name = if name.is_empty() { "message".to_owned() } else { name };
        let data = data.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(outcome.events, [(name, data, id)]);
    }

    #[test]
    fn all_outputs_are_the_same_bytes(data in "(?s).{0,40}", number in any::<u64>()) {
        let message = Message::new(data).id(EventId::from(number));
        let bytes = message.to_vec();
        prop_assert_eq!(message.encoded_len(), bytes.len());
        prop_assert_eq!(message.to_string().into_bytes(), &bytes[..]);
        let mut slice = vec![0; bytes.len()];
        prop_assert_eq!(message.encode_to_slice(&mut slice), Ok(bytes.len()));
        prop_assert_eq!(&slice, &bytes);
        prop_assert_eq!(message.encode_to_slice(&mut slice[1..]).unwrap_err().needed, bytes.len());
        #[cfg(feature = "bytes")]
        {
            prop_assert_eq!(&message.to_bytes()[..], &bytes[..]);
            let mut buffer = Vec::new();
            message.encode(&mut buffer);
            prop_assert_eq!(&buffer, &bytes);
        }
    }
}
