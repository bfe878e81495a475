//! URLs without their secrets, for keys, records, version files and logs.
//!
//! Taken out: the fragment, `user:password@`, and query parameters that sign or authorise. Nothing else changes, not
//! even by normalisation: SONiC's pins hold `//`, `%2B`, `+` and `~` and are compared byte for byte. A parameter that
//! may well select content (`Expires`, `Policy`, Azure's `sv`) is only taken for a part of a signature when the
//! signature itself is there, since dropping it otherwise would give two contents one key.
//!
//! Not handled: secrets in the path, and parameters with names of their own invention.

/// Parameters that are secret by themselves (lower case).
const SECRET: &[&str] = &[
    "access-token",
    "access_key",
    "access_token",
    "accesstoken",
    "api-key",
    "api_key",
    "api_token",
    "apikey",
    "auth",
    "auth-token",
    "auth_token",
    "authorization",
    "awsaccesskeyid",
    "client_secret",
    "credential",
    "googleaccessid",
    "hdnea",
    "hdnts",
    "id_token",
    "job_token",
    "jwt",
    "oauth_signature",
    "oauth_token",
    "ossaccesskeyid",
    "passwd",
    "password",
    "private-token",
    "private_token",
    "pwd",
    "refresh_token",
    "sas",
    "secret",
    "security-token",
    "sig",
    "signature",
    "token",
    "__gda__",
    "__token__",
];

/// Families of parameters that are secret by themselves (lower-case prefixes).
const SECRET_PREFIXES: &[&str] = &["x-amz-", "x-goog-", "x-oss-", "x-cos-", "q-sign-"];

/// What belongs to a shared-access signature when `sig` is there (Azure).
const WITH_SIG: &[&str] = &[
    "se", "sp", "sv", "sr", "st", "spr", "sip", "ss", "srt", "si", "sdd", "skoid", "sktid", "skt", "ske",
    "sks", "skv", "saoid", "suoid", "scid",
];

/// What belongs to a signature when `Signature` is there (CloudFront, old S3 and Google).
const WITH_SIGNATURE: &[&str] = &["expires", "key-pair-id", "policy"];

/// The URL less its fragment, credentials and signing parameters. When there is nothing to take out, the answer is
/// the URL byte for byte.
///
/// ```
/// use vcache_store::public_url;
/// assert_eq!(public_url("https://me:pw@h//a%2B+~?v=1&token=t#top"), "https://h//a%2B+~?v=1");
/// ```
pub fn public_url(url: &str) -> String {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (url, None),
    };
    let mut public = without_userinfo(address);
    if let Some(query) = query {
        let kept = without_secrets(query);
        // A `?` that was empty from the start stays: it is part of what was typed.
        if !kept.is_empty() || query.is_empty() {
            public.push('?');
            public.push_str(&kept);
        }
    }
    public
}

/// Cuts `user:password@` out of `scheme://user:password@host/path`. Tools also take `user:password@host/path` and one
/// or three slashes, so the authority starts after the slashes of a scheme, else at once.
fn without_userinfo(address: &str) -> String {
    let start = authority_start(address);
    let end = address[start..].find('/').map_or(address.len(), |at| start + at);
    match address[start..end].rfind('@') {
        Some(at) => format!("{}{}", &address[..start], &address[start + at + 1..]),
        None => address.to_owned(),
    }
}

fn authority_start(address: &str) -> usize {
    let Some(colon) = address.find(':') else { return 0 };
    let scheme = address.as_bytes()[..colon].iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
    let slashes = address[colon + 1..].bytes().take_while(|b| *b == b'/').count();
    if scheme && slashes > 0 { colon + 1 + slashes } else { 0 }
}

fn without_secrets(query: &str) -> String {
    let names: Vec<String> = query.split('&').map(name_of).collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let (sig, signature) = (has("sig"), has("signature"));
    let secret = |name: &str| {
        SECRET.contains(&name)
            || SECRET_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || (sig && WITH_SIG.contains(&name))
            || (signature && WITH_SIGNATURE.contains(&name))
    };
    let kept: Vec<&str> = query
        .split('&')
        .zip(&names)
        .filter(|(_, name)| !secret(name))
        .map(|(parameter, _)| parameter)
        .collect();
    kept.join("&")
}

/// A parameter's name, in lower case and with its escapes undone, so that `X%2Damz%2DSignature` is seen.
fn name_of(parameter: &str) -> String {
    let raw = parameter.split_once('=').map_or(parameter, |(name, _)| name).as_bytes();
    let mut name = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let escaped = raw.get(at + 1..at + 3).filter(|_| raw[at] == b'%');
        let mut byte = [0];
        match escaped.map(|digits| hex::decode_to_slice(digits, &mut byte)) {
            Some(Ok(())) => at += 3,
            _ => {
                byte = [raw[at]];
                at += 1;
            }
        }
        name.push(byte[0].to_ascii_lowercase());
    }
    String::from_utf8_lossy(&name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::public_url;

    #[test]
    fn secrets_go_and_all_else_stays() {
        let rows = [
            ("https://h/a", "https://h/a"),
            ("http://h//a%2B+~b?x=%20&&y", "http://h//a%2B+~b?x=%20&&y"),
            ("http://h/a?", "http://h/a?"),
            ("http://h/a#frag", "http://h/a"),
            ("http://h/a?x=1#frag?sig=2", "http://h/a?x=1"),
            ("https://u:p@h:8/a@b", "https://h:8/a@b"),
            ("https://u:p@@h/a", "https://h/a"),
            ("https://token@h", "https://h"),
            ("u:p@h/a", "h/a"),
            ("http:/u:p@h/a", "http:/h/a"),
            ("h:80/a@b?c@d", "h:80/a@b?c@d"),
            ("https://h/p@1.0/x", "https://h/p@1.0/x"),
            ("https://h/a?token=s", "https://h/a"),
            ("https://h/a?v=1&access_token=s&w=2", "https://h/a?v=1&w=2"),
            ("https://h/a?X-Amz-Signature=1&X-Amz-Date=2&k=3", "https://h/a?k=3"),
            ("https://h/a?x%2Dgoog%2DSignature=1&k=3", "https://h/a?k=3"),
            ("https://h/a?sv=2020&sr=b&sig=abc&se=t&sp=r&id=9", "https://h/a?id=9"),
            ("https://h/a?sv=2020&sr=b", "https://h/a?sv=2020&sr=b"),
            ("https://h/a?Expires=1&Signature=s&Key-Pair-Id=k&Policy=p", "https://h/a"),
            ("https://h/a?Expires=1&policy=p", "https://h/a?Expires=1&policy=p"),
            ("https://h/a?%", "https://h/a?%"),
            ("https://h/a?%zz=1&sig", "https://h/a?%zz=1"),
            ("ä%", "ä%"),
        ];
        for (url, expected) in rows {
            assert_eq!(public_url(url), expected, "{url}");
            assert_eq!(public_url(expected), expected, "stable: {url}");
        }
    }
}
