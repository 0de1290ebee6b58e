//! Where requests go, and what they carry.

use clap::Args;
use sse_client::reqwest::Url;
use sse_client::reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// What each request carries.
#[derive(Args, Debug)]
pub(crate) struct Credentials {
    /// Send this header; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Send this token, as `Authorization: Bearer TOKEN`
    #[arg(long, value_name = "TOKEN", env = "SSE_TOKEN", hide_env_values = true, value_parser = token)]
    token: Option<HeaderValue>,
}

impl Credentials {
    /// The headers, with the token among them.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        headers
    }
}

/// A URL; without a scheme it is one of `http`, as with curl.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    const HINT: &str = "write it as http://127.0.0.1:8080/topics/news";

    let has_scheme = text.contains("://");
    let url = if has_scheme { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    match url {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(url) => Err(format!("the scheme `{}` is neither http nor https; {HINT}", url.scheme())),
        Err(error) => Err(format!("{error}; {HINT}")),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write a header as `Name: value`")?;
    let name = name.trim().parse().map_err(|_| format!("`{}` is no name of a header", name.trim()))?;
    let value = value.trim().parse().map_err(|_| "the value has characters that no header may have")?;
    Ok((name, value))
}

/// The header that carries a token.
pub(crate) fn token(text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(&format!("Bearer {text}"));
    let mut value = value.map_err(|_| "the token has characters that no header may have")?;
    value.set_sensitive(true);
    Ok(value)
}
