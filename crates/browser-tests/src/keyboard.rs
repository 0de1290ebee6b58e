//! Keys in the form of the protocol.

use serde_json::{Value, json};

/// A key, and the keys that are held down with it.
#[derive(Debug)]
pub(crate) struct Press {
    key: String,
    modifiers: u32,
}

/// Returns the key of a text such as `Control+Enter`.
pub(crate) fn press(keys: &str) -> Press {
    let mut press = Press { key: keys.to_owned(), modifiers: 0 };
    for (name, bit) in [("Alt+", 1), ("Control+", 2), ("Meta+", 4), ("Shift+", 8)] {
        if let Some(key) = press.key.strip_prefix(name) {
            press = Press { key: key.to_owned(), modifiers: press.modifiers | bit };
        }
    }
    press
}

impl Press {
    /// Returns the parameters of `Input.dispatchKeyEvent` for `keyDown` or `keyUp`.
    pub(crate) fn event(&self, event_type: &str) -> Value {
        let mut event = json!({
            "type": event_type,
            "key": self.key,
            "modifiers": self.modifiers,
            "windowsVirtualKeyCode": self.code(),
        });
        // Alone or with Shift, a key writes text. Enter in a form sends it by this text.
        if event_type == "keyDown"
            && self.modifiers & !8 == 0
            && let Some(text) = self.text()
        {
            event["text"] = text.into();
        }
        // The command of the browser itself, by the shortcuts of Linux.
        if event_type == "keyDown"
            && self.modifiers == 2
            && let Some(command) = self.command()
        {
            event["commands"] = json!([command]);
        }
        event
    }

    fn command(&self) -> Option<&'static str> {
        match &*self.key {
            "a" => Some("selectAll"),
            "c" => Some("copy"),
            "v" => Some("paste"),
            "x" => Some("cut"),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match &*self.key {
            "Enter" => Some("\r"),
            key => (key.chars().count() == 1).then_some(key),
        }
    }

    /// Returns the key's number, which decides what the browser itself does with the key.
    fn code(&self) -> u32 {
        match &*self.key {
            "Backspace" => 8,
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "End" => 35,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            "Delete" => 46,
            key => key.chars().next().map_or(0, |character| character.to_ascii_uppercase().into()),
        }
    }
}
