//! The ids that hubs give to events.
//!
//! Such an id is a position in the memory or the log of one hub. At another hub, and in another topic, it means
//! nothing, and may be the id of another event. So it is not sent on: the event gets a new id there.

/// Returns whether an id has the form of a hub's ids.
///
/// A hub in memory gives 12 hexadecimal digits and a number, `31043490a327-6`; a hub that has a log gives a time in
/// milliseconds and a number below 2^20, `1732550000000-7`.
pub(super) fn is_a_hubs(id: &str) -> bool {
    let Some((head, number)) = id.split_once('-') else { return false };
    let Some(number) = decimal(number) else { return false };
    is_of_memory(head) || is_of_a_log(head) && number < 1 << 20
}

fn is_of_memory(head: &str) -> bool {
    head.len() == 12 && head.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The time has 13 digits from 2001 to 2286.
fn is_of_a_log(head: &str) -> bool {
    head.len() == 13 && decimal(head).is_some()
}

/// A number, if it is written as hubs write it: without a sign, and without zeros before it.
fn decimal(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(id: &str, expected: bool) {
        assert_eq!(is_a_hubs(id), expected, "{id:?}");
    }

    #[test]
    fn an_id_of_a_hub_is_known_by_its_form() {
        for id in ["31043490a327-6", "00000000000e-0", "123456789012-7", "00000000000e-18446744073709551615"]
        {
            check(id, true);
        }
        for id in ["1732550000000-7", "1732550000000-0", "1732550000000-1048575"] {
            check(id, true);
        }
    }

    #[test]
    fn other_ids_are_their_publishers() {
        for id in ["", "-", "7", "order-7", "12-7", "7-12", "2024-05-17", "é-7"] {
            check(id, false);
        }
        for id in ["31043490A327-6", "31043490a327-06", "31043490a327-+6", "31043490a327-", "31043490a327"] {
            check(id, false);
        }
        for id in ["1732550000000-1048576", "0732550000000-7", "1732550000000-07", "1732550000000-7-1"] {
            check(id, false);
        }
        check("00000000000e-18446744073709551616", false);
    }
}
