//! The token that clients must show: `Authorization: Bearer TOKEN`, or Basic with any user and the token as password (what
//! `user:password@` in a URL becomes). It is compared in constant time and printed nowhere.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use subtle::ConstantTimeEq;
use vcache_store::Sha256Id;

/// What a client must show. Only its digest is kept: digests have one length, so comparing them tells nothing of it.
#[derive(Clone)]
pub struct Token(Sha256Id);

/// Why the content of a token file is no token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token file has one line of visible ASCII characters, and this one has not")]
pub struct TokenError;

impl Token {
    /// The token in the content of a token file.
    ///
    /// # Errors
    /// It is empty, has more than one line, or characters that can't stand in a header.
    pub fn parse(file: &[u8]) -> Result<Token, TokenError> {
        let line = file.trim_ascii_end();
        if line.is_empty() || !line.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError);
        }
        Ok(Token(Sha256Id::of(line)))
    }

    /// Whether the request shows it.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get_all(AUTHORIZATION).iter().any(|value| {
            let (scheme, rest) = split_once(value.as_bytes(), b' ');
            let rest = rest.trim_ascii();
            if scheme.eq_ignore_ascii_case(b"bearer") {
                return self.is(rest);
            }
            let decoded = scheme.eq_ignore_ascii_case(b"basic").then(|| BASE64_STANDARD.decode(rest));
            decoded.and_then(Result::ok).is_some_and(|pair| self.is(split_once(&pair, b':').1))
        })
    }

    fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(Sha256Id::of(shown).as_bytes()).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

fn split_once(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|b| *b == at) {
        Some(position) => (&bytes[..position], &bytes[position + 1..]),
        None => (bytes, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_is_one_line() {
        for good in ["abc", "abc\n", "abc\r\n", "a-b_c.d/e+f==\n"] {
            assert!(Token::parse(good.as_bytes()).is_ok(), "{good:?}");
        }
        for bad in ["", "\n", "a b", "a\nb\n", "\u{fc}", "a\0"] {
            assert_eq!(Token::parse(bad.as_bytes()).unwrap_err(), TokenError, "{bad:?}");
        }
    }

    #[test]
    fn bearer_and_basic_show_it_and_nothing_else_does() {
        let token = Token::parse(b"s3cret\n").unwrap();
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        let rows = [
            ("Bearer s3cret".to_owned(), true),
            ("bearer s3cret".to_owned(), true),
            (basic("any:s3cret"), true),
            (basic(":s3cret"), true),
            ("Bearer s3cre".to_owned(), false),
            ("Bearer s3crett".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("Bearer".to_owned(), false),
            ("s3cret".to_owned(), false),
            ("Basic s3cret".to_owned(), false),
            ("Basic !!!".to_owned(), false),
            (basic("s3cret"), false),
            (basic("s3cret:x"), false),
            (String::new(), false),
        ];
        for (value, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            assert_eq!(token.is_in(&headers), expected, "{value:?}");
        }
        assert!(!token.is_in(&HeaderMap::new()));
    }

    #[test]
    fn it_does_not_print() {
        let shown = format!("{:?}", Token::parse(b"s3cret").unwrap());
        assert_eq!(shown, "Token");
    }
}
