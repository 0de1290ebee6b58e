//! Settings from the environment and from a file: the defaults of the flags with the same names.

use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

use crate::failure::Failure;

/// Lets each flag be set by a variable of the environment, `--max-body` by `SSE_MAX_BODY`.
pub(crate) fn with_environment(command: Command) -> Command {
    command.mut_args(|arg| match arg.get_long() {
        Some(long) => {
            let variable = format!("SSE_{}", long.replace('-', "_").to_uppercase());
            // A sentence below the help says it for all of them.
            arg.env(variable).hide_env(true)
        }
        None => arg,
    })
}

/// Takes the settings of a file as the defaults of the flags, so that flags and environment go before them.
pub(crate) fn with_file(command: Command, file: &Path) -> Result<Command, Failure> {
    let failure =
        |what: &dyn std::fmt::Display| Failure::usage(format!("--config {}: {what}", file.display()));
    let text = fs::read_to_string(file)
        .map_err(|error| failure(&format_args!("the settings can't be read: {error}")))?;
    with_text(command, &text).map_err(|error| failure(&error))
}

fn with_text(mut command: Command, text: &str) -> Result<Command, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        // An address without quotes looks like a number.
        let hint = if error.message().starts_with("invalid float") { " (a text needs quotes)" } else { "" };
        format!("line {line}: {}{hint}", error.message())
    })?;
    for (key, value) in table {
        let arg = command.get_arguments().find(|arg| is_setting(arg) && arg.get_long() == Some(&key));
        let Some((id, takes_list, is_switch)) =
            arg.map(|arg| (arg.get_id().clone(), takes_list(arg), is_switch(arg)))
        else {
            return Err(format!("there is no setting `{key}`; there are {}", names(&command)));
        };
        if is_switch {
            let Value::Boolean(value) = value else {
                return Err(format!("`{key}` must be true or false"));
            };
            command = command.mut_arg(id, |arg| arg.default_value(if value { "true" } else { "false" }));
            continue;
        }
        let values = values(&value, takes_list).ok_or_else(|| {
            let list = if takes_list { ", or a list of them" } else { "" };
            format!("`{key}` must be a text or a number{list}, as the flag --{key} takes it")
        })?;
        command = command.mut_arg(id, |arg| arg.default_values(values));
    }
    Ok(command)
}

fn is_setting(arg: &Arg) -> bool {
    arg.get_long() != Some("config")
}

/// Returns whether there may be several of it.
fn takes_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Returns whether the argument has no value: it is given or not.
fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

fn names(command: &Command) -> String {
    let settings = command.get_arguments().filter(|arg| is_setting(arg));
    settings.filter_map(Arg::get_long).collect::<Vec<_>>().join(", ")
}

/// The values as they would be written after the flag.
fn values(value: &Value, takes_list: bool) -> Option<Vec<String>> {
    match value {
        Value::Array(values) if takes_list => values.iter().map(text).collect(),
        value => text(value).map(|value| vec![value]),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let arg = |name: &'static str| Arg::new(name).long(name);
        Command::new("serve")
            .arg(arg("config"))
            .arg(arg("max-body").default_value("1MiB"))
            .arg(arg("cors").action(ArgAction::Append))
            .arg(arg("quiet").action(ArgAction::SetTrue))
    }

    #[track_caller]
    fn check(file: &str, arguments: &[&str], expected: &[(&str, &[&str])]) {
        let matches = with_text(command(), file).unwrap().try_get_matches_from(arguments).unwrap();
        for (name, values) in expected {
            let found: Vec<_> = matches.get_many::<String>(name).into_iter().flatten().collect();
            assert_eq!(found, *values, "{name}");
        }
    }

    #[test]
    fn a_file_has_the_defaults_of_the_flags() {
        check("", &["serve"], &[("max-body", &["1MiB"]), ("cors", &[])]);
        check("max-body = '2MiB'", &["serve"], &[("max-body", &["2MiB"])]);
        check("max-body = 4096", &["serve"], &[("max-body", &["4096"])]);
        check("cors = ['https://a', 'https://b']", &["serve"], &[("cors", &["https://a", "https://b"])]);
        check("cors = []\nmax-body = 1.5", &["serve"], &[("cors", &[]), ("max-body", &["1.5"])]);
        check("max-body = '2MiB'", &["serve", "--max-body", "3MiB"], &[("max-body", &["3MiB"])]);
        check("cors = 'https://a'", &["serve", "--cors", "https://b"], &[("cors", &["https://b"])]);
    }

    #[test]
    fn a_switch_is_true_or_false() {
        let quiet = |file: &str, arguments: &[&str]| {
            with_text(command(), file).unwrap().try_get_matches_from(arguments).unwrap().get_flag("quiet")
        };
        assert!(!quiet("", &["serve"]));
        assert!(quiet("quiet = true", &["serve"]));
        assert!(!quiet("quiet = false", &["serve"]));
        assert!(quiet("quiet = false", &["serve", "--quiet"]));
    }

    #[track_caller]
    fn check_wrong(file: &str, expected: &str) {
        let error = with_text(command(), file).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        check_wrong("max-size = 1", "there is no setting `max-size`; there are max-body, cors, quiet");
        check_wrong("config = 'other.toml'", "there is no setting `config`");
        check_wrong("max-body = true", "`max-body` must be a text or a number, as");
        check_wrong("max-body = []", "`max-body` must be a text or a number, as");
        check_wrong("max-body = ['1', '2']", "`max-body` must be a text or a number, as");
        check_wrong("quiet = 'yes'", "`quiet` must be true or false");
        check_wrong("[max-body]\na = 1", "`max-body` must be a text");
        check_wrong("cors = [['a']]", "`cors` must be a text or a number, or a list of them");
        check_wrong("# fine\nmax-body = 1\nmax-body", "line 3: ");
        check_wrong("max-body = 1\nmax-body = 2", "line 2: ");
        check_wrong("cors = 127.0.0.1:80", "line 1: invalid float, expected nothing (a text needs quotes)");
        check_wrong("cors = https://a", "line 1: string values must be quoted");
    }

    #[test]
    fn a_flag_has_its_variable() {
        let command = with_environment(command());
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some("max-body")).unwrap();
        assert_eq!(arg.get_env().unwrap(), "SSE_MAX_BODY");
    }
}
