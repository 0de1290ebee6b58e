//! Text that is borrowed or, where there is an allocator, owned.

#[cfg(feature = "alloc")]
pub(crate) type Text<'a> = alloc::borrow::Cow<'a, str>;
#[cfg(not(feature = "alloc"))]
pub(crate) type Text<'a> = &'a str;

/// `text` without its owner; `Cow::Borrowed` as a plain call.
pub(crate) const fn borrowed(text: &str) -> Text<'_> {
    #[cfg(feature = "alloc")]
    return alloc::borrow::Cow::Borrowed(text);
    #[cfg(not(feature = "alloc"))]
    text
}

/// Defines a newtype over text that a field can carry.
///
/// `event` and `id` differ in their name and in the bytes that they refuse, in nothing else.
macro_rules! checked_text {
    ($(#[$docs:meta])* $name:ident, field: $field:literal, refuses: $refused:pat, max: $max:expr) => {
        $(#[$docs])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<'a>(crate::event::text::Text<'a>);

        impl<'a> $name<'a> {
            /// Checks `text`, which is borrowed.
            ///
            /// # Errors
            ///
            /// [`InvalidField`](crate::InvalidField) names the first byte that the field can't carry, or the length
            /// that it can.
            pub const fn new(text: &'a str) -> Result<Self, crate::event::InvalidField> {
                match Self::check(text) {
                    Ok(()) => Ok(Self(crate::event::text::borrowed(text))),
                    Err(error) => Err(error),
                }
            }

            /// A constant from a literal. Use it in a `const`, where a mistake is an error of the compiler.
            ///
            /// # Panics
            ///
            /// At compile time in a `const`, if the field can't carry `text`. For text that is known only at run
            /// time there is [`new`](Self::new).
            #[must_use]
            pub const fn from_static(text: &'static str) -> $name<'static> {
                match Self::check(text) {
                    Ok(()) => $name(crate::event::text::borrowed(text)),
                    Err(_) => panic!(concat!("the field `", $field, "` can't carry this text")),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The same, borrowed from this one.
            pub fn as_borrowed(&self) -> $name<'_> {
                $name(crate::event::text::borrowed(self.as_str()))
            }

            /// The same, borrowing nothing.
            #[cfg(feature = "alloc")]
            pub fn into_owned(self) -> $name<'static> {
                $name(self.0.into_owned().into())
            }

            const fn check(text: &str) -> Result<(), crate::event::InvalidField> {
                let bytes = text.as_bytes();
                if bytes.len() > $max {
                    return Err(crate::event::InvalidField::TooLong { field: $field, limit: $max });
                }
                let mut position = 0;
                while position < bytes.len() {
                    if let $refused = bytes[position] {
                        let byte = bytes[position];
                        return Err(crate::event::InvalidField::Byte { field: $field, byte, position });
                    }
                    position += 1;
                }
                Ok(())
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
                Ok(Self(text.into()))
            }
        }
    };
}

pub(super) use checked_text;
