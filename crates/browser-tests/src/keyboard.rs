//! Keys, as the protocol wants them.

use serde_json::{Value, json};

/// A key, with what is held down beside it.
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
        // Alone or with Shift, a key writes; Enter in a form sends it by this text.
        if event_type == "keyDown"
            && self.modifiers & !8 == 0
            && let Some(text) = self.text()
        {
            event["text"] = text.into();
        }
        // What the browser itself would do, with the shortcuts of Linux.
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

    /// The key's number, which decides what the browser itself does with it.
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
