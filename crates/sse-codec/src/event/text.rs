//! Text that is borrowed or, with an allocator, owned; and text that has been checked for a field.

#[cfg(feature = "alloc")]
pub(crate) type Text<'a> = alloc::borrow::Cow<'a, str>;
#[cfg(not(feature = "alloc"))]
pub(crate) type Text<'a> = &'a str;

/// Borrows `text`. It is `Cow::Borrowed` with an allocator, and `text` itself without.
#[inline]
pub(crate) const fn borrowed(text: &str) -> Text<'_> {
    #[cfg(feature = "alloc")]
    return alloc::borrow::Cow::Borrowed(text);
    #[cfg(not(feature = "alloc"))]
    text
}

/// Borrows the text, whether it is owned or not.
fn as_text<'t>(text: &'t Text<'_>) -> &'t str {
    text
}

/// Text, or a number. The digits of a number need no allocator.
#[derive(Clone, Debug)]
pub(super) enum TextOrNumber<'a> {
    Text(Text<'a>),
    Number(Decimal),
}

impl<'a> TextOrNumber<'a> {
    #[inline]
    pub(super) const fn borrowed(text: &'a str) -> Self {
        Self::Text(borrowed(text))
    }

    #[cfg(feature = "alloc")]
    pub(super) fn owned(text: alloc::string::String) -> Self {
        Self::Text(text.into())
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.as_str(),
        }
    }

    #[cfg(feature = "alloc")]
    pub(super) fn into_owned(self) -> TextOrNumber<'static> {
        match self {
            Self::Text(text) => TextOrNumber::Text(text.into_owned().into()),
            Self::Number(number) => TextOrNumber::Number(number),
        }
    }
}

/// Text that is never a number.
#[derive(Clone, Debug)]
pub(super) struct TextOnly<'a>(Text<'a>);

impl<'a> TextOnly<'a> {
    #[inline]
    pub(super) const fn borrowed(text: &'a str) -> Self {
        Self(borrowed(text))
    }

    #[cfg(feature = "alloc")]
    pub(super) fn owned(text: alloc::string::String) -> Self {
        Self(text.into())
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        as_text(&self.0)
    }

    #[cfg(feature = "alloc")]
    pub(super) fn into_owned(self) -> TextOnly<'static> {
        TextOnly(self.0.into_owned().into())
    }
}

/// How many digits the greatest number has.
const MAX_DIGITS: u8 = 20;

/// A number in decimal digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    /// The digits stand at the end of the array.
    bytes: [u8; MAX_DIGITS as usize],
    start: u8,
}

impl Decimal {
    pub(super) const fn new(mut number: u64) -> Self {
        let mut bytes = [b'0'; MAX_DIGITS as usize];
        let mut start = MAX_DIGITS - 1;
        loop {
            bytes[start as usize] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { bytes, start };
            }
            start -= 1;
        }
    }

    fn as_str(&self) -> &str {
        // ASCII digits are valid UTF-8.
        core::str::from_utf8(&self.bytes[usize::from(self.start)..]).unwrap_or_default()
    }
}

/// Returns the position of the first CR or LF. If `nul` is true, NUL is searched as well.
#[inline]
pub(super) const fn find_forbidden(bytes: &[u8], nul: bool) -> Option<usize> {
    if !may_hold_forbidden(bytes, nul) {
        return None;
    }
    let mut position = 0;
    while position < bytes.len() {
        if matches!(bytes[position], b'\r' | b'\n') || (nul && bytes[position] == 0) {
            return Some(position);
        }
        position += 1;
    }
    None
}

/// Returns true if there is a forbidden byte, or if the text is too short to be checked in words.
///
/// It compares eight bytes at once, in a way that is `const`. The last eight bytes may overlap with those before them.
const fn may_hold_forbidden(bytes: &[u8], nul: bool) -> bool {
    let Some(&last) = bytes.last_chunk::<8>() else {
        let (Some(&first), Some(&last)) = (bytes.first_chunk(), bytes.last_chunk()) else { return true };
        let word = (u32::from_ne_bytes(first) as u64) << 32 | u32::from_ne_bytes(last) as u64;
        return is_forbidden_in(word, nul);
    };
    let (words, _) = bytes.as_chunks::<8>();
    let mut read = 0;
    while read < words.len() {
        if is_forbidden_in(u64::from_ne_bytes(words[read]), nul) {
            return true;
        }
        read += 1;
    }
    is_forbidden_in(u64::from_ne_bytes(last), nul)
}

/// Returns true if one of eight bytes is CR, LF or, if `nul` is true, NUL.
#[inline]
const fn is_forbidden_in(word: u64, nul: bool) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const CR: u64 = u64::from_ne_bytes([b'\r'; 8]);
    const LF: u64 = u64::from_ne_bytes([b'\n'; 8]);

    // Sets the high bit of each byte that is zero, and perhaps of some bytes above it.
    let (cr, lf) = (word ^ CR, word ^ LF);
    let mut zeros = (cr.wrapping_sub(ONES) & !cr) | (lf.wrapping_sub(ONES) & !lf);
    if nul {
        zeros |= word.wrapping_sub(ONES) & !word;
    }
    zeros & HIGH != 0
}

/// Defines a newtype over text that has been checked for a field.
///
/// `event` and `id` differ only in their name, in the bytes that they refuse, and in that an id can be a number.
macro_rules! checked_text {
    ($(#[$docs:meta])* $name:ident, text: $text:ident, field: $field:literal, refuses_nul: $nul:literal, max: $max:expr) => {
        $(#[$docs])*
        #[derive(Clone)]
        pub struct $name<'a>(crate::event::text::$text<'a>);

        impl<'a> $name<'a> {
            /// Checks `text` and borrows it.
            ///
            /// # Errors
            ///
            /// [`InvalidField`](crate::InvalidField), with the first byte that the field can't have, or with the
            /// greatest length if `text` is longer.
            #[inline]
            pub const fn new(text: &'a str) -> Result<Self, crate::event::InvalidField> {
                match Self::check(text) {
                    Ok(()) => Ok(Self(crate::event::text::$text::borrowed(text))),
                    Err(error) => Err(error),
                }
            }

            /// Checks a literal. Use it in a `const`, where a text that can't be written does not compile.
            ///
            /// # Panics
            ///
            /// If `text` can't be written in the field; in a `const`, the panic is an error of the compiler. For text
            /// that is known only at run time, use [`new`](Self::new).
            #[must_use]
            pub const fn from_static(text: &'static str) -> $name<'static> {
                match Self::check(text) {
                    Ok(()) => $name(crate::event::text::$text::borrowed(text)),
                    Err(_) => panic!(concat!("this text can't be written in the field `", $field, "`")),
                }
            }

            /// Returns the text.
            #[inline]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// Borrows the value.
            pub fn as_borrowed(&self) -> $name<'_> {
                $name(crate::event::text::$text::borrowed(self.as_str()))
            }

            /// Converts the value into one that owns its text. Borrowed text is copied.
            #[cfg(feature = "alloc")]
            pub fn into_owned(self) -> $name<'static> {
                $name(self.0.into_owned())
            }

            const fn check(text: &str) -> Result<(), crate::event::InvalidField> {
                let bytes = text.as_bytes();
                if bytes.len() > $max {
                    return Err(crate::event::InvalidField::TooLong { field: $field, limit: $max });
                }
                if let Some(position) = crate::event::text::find_forbidden(bytes, $nul) {
                    let byte = bytes[position];
                    return Err(crate::event::InvalidField::Byte { field: $field, byte, position });
                }
                Ok(())
            }
        }

        impl core::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        impl PartialEq for $name<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name<'_> {}

        impl PartialOrd for $name<'_> {
            fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name<'_> {
            fn cmp(&self, other: &Self) -> core::cmp::Ordering {
                self.as_str().cmp(other.as_str())
            }
        }

        impl core::hash::Hash for $name<'_> {
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl core::fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name<'_> {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl<'a> TryFrom<&'a str> for $name<'a> {
            type Error = crate::event::InvalidField;

            fn try_from(text: &'a str) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        #[cfg(feature = "alloc")]
        impl TryFrom<alloc::string::String> for $name<'static> {
            type Error = crate::event::InvalidField;

            fn try_from(text: alloc::string::String) -> Result<Self, Self::Error> {
                Self::check(&text)?;
                Ok(Self(crate::event::text::$text::owned(text)))
            }
        }
    };
}

pub(super) use checked_text;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn a_number_is_written_in_decimal_digits() {
        for number in [0, 7, 10, 99, 12_345, u64::MAX] {
            assert_eq!(Decimal::new(number).as_str(), number.to_string());
        }
    }

    #[test]
    fn the_first_forbidden_byte_is_found_wherever_it_is() {
        for len in 0..40 {
            assert_eq!(find_forbidden(&vec![0x8A; len], true), None);
            assert_eq!(find_forbidden(&vec![0; len], false), None);
            for position in 0..len {
                for byte in [b'\r', b'\n', 0] {
                    let mut bytes = vec![b'\x0B'; len];
                    bytes[position] = byte;
                    assert_eq!(find_forbidden(&bytes, true), Some(position));
                    assert_eq!(find_forbidden(&bytes, false), (byte != 0).then_some(position));
                    bytes[len - 1] = b'\n';
                    assert_eq!(find_forbidden(&bytes, true), Some(position));
                }
            }
        }
    }
}
