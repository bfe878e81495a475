//! Messages of apt's method protocol, as "The APT Method Interface" (`doc/method.dbk` in apt's sources) has them: a line with a number and
//! words, lines `Name: value`, an empty line.
//!
//! A message is kept as it came, byte for byte, so that one that is only passed on is what it was.

use std::io::{self, BufRead, Read};

/// In bytes. The largest is the configuration, of some ten thousand bytes.
const LARGEST: u64 = 16 << 20;

/// Numbers of messages.
pub(crate) const REDIRECT: u16 = 103;
pub(crate) const START: u16 = 200;
pub(crate) const DONE: u16 = 201;
pub(crate) const FAILURE: u16 = 400;
pub(crate) const ACQUIRE: u16 = 600;
pub(crate) const CONFIGURATION: u16 = 601;

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    /// Without the empty line.
    raw: Vec<u8>,
}

impl Message {
    /// A message with this number and these words, to be filled.
    pub(crate) fn new(number: u16, words: &str) -> Message {
        Message { raw: format!("{number} {words}\n").into_bytes() }
    }

    /// The same with one more field. What would end the line is a blank.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Message {
        self.raw.extend_from_slice(name.as_bytes());
        self.raw.extend_from_slice(b": ");
        self.raw.extend(value.as_ref().iter().map(|&byte| if byte.is_ascii_control() { b' ' } else { byte }));
        self.raw.push(b'\n');
        self
    }

    /// The next message; none at the end.
    ///
    /// # Errors
    /// It can't be read, ends in its midst, or is larger than any message is.
    pub(crate) fn read(from: &mut dyn BufRead) -> io::Result<Option<Message>> {
        let mut raw = Vec::new();
        let mut from = from.take(LARGEST);
        loop {
            let start = raw.len();
            if from.read_until(b'\n', &mut raw)? == 0 {
                return if raw.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            match raw.get(start..) {
                Some(b"\n" | b"\r\n") if start == 0 => raw.clear(),
                Some(b"\n" | b"\r\n") => {
                    raw.truncate(start);
                    return Ok(Some(Message { raw }));
                }
                _ => {}
            }
        }
    }

    /// As it goes over the pipe.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.raw[..], b"\n"].concat()
    }

    /// Its number; 0 where it has none.
    pub(crate) fn number(&self) -> u16 {
        let digits = self.raw.iter().take_while(|byte| byte.is_ascii_digit()).copied().collect();
        String::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// The first field of this name, in whatever case; none where it is empty, as apt has it.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// As [`Self::get`], where it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// All fields of this name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.raw.split(|&byte| byte == b'\n').skip(1).filter_map(move |line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let value = line[colon + 1..].trim_ascii();
            (line[..colon].eq_ignore_ascii_case(name.as_bytes()) && !value.is_empty()).then_some(value)
        })
    }

    /// Whether a field of this name says yes.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| is_yes(value) == Some(true))
    }
}

/// What apt takes for a yes or a no (`StringToBool`).
pub(crate) fn is_yes(value: &str) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    match value.as_str() {
        "yes" | "true" | "with" | "on" | "enable" => Some(true),
        "no" | "false" | "without" | "off" | "disable" => Some(false),
        _ => value.parse::<i64>().ok().map(|number| number != 0),
    }
}

/// apt's quoting of configuration items: `%` and two hexadecimal digits stand for a byte.
pub(crate) fn dequoted(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| byte == b'%').and_then(|digits| hex::decode(digits).ok());
        rest = if code.is_some() { &after[2..] } else { after };
        plain.push(code.map_or(byte, |code| code[0]));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_come() {
        let text = b"\n\n600 URI Acquire\nURI: http://h.example/a\nFilename: /x y\nuri: no\nEmpty:\n\n601 Configuration\nConfig-Item: A::B=1\nConfig-Item: C=2\n\n";
        let mut from = &text[..];
        let first = Message::read(&mut from).unwrap().unwrap();
        assert_eq!(first.number(), ACQUIRE);
        assert_eq!(first.text("Uri"), Some("http://h.example/a"));
        assert_eq!(first.get("filename"), Some(&b"/x y"[..]));
        assert_eq!((first.get("Empty"), first.get("None")), (None, None));
        let second = Message::read(&mut from).unwrap().unwrap();
        assert_eq!(second.number(), CONFIGURATION);
        assert_eq!(second.all("config-item").collect::<Vec<_>>(), [&b"A::B=1"[..], b"C=2"]);
        assert_eq!(second.bytes(), b"601 Configuration\nConfig-Item: A::B=1\nConfig-Item: C=2\n\n");
        assert_eq!(Message::read(&mut from).unwrap(), None);
        assert!(Message::read(&mut &b"600 URI Acquire\nURI: x\n"[..]).is_err());
    }

    #[test]
    fn a_value_ends_no_message() {
        let message = Message::new(FAILURE, "URI Failure").with("Message", "a\nb\r\n\nc");
        assert_eq!(message.bytes(), b"400 URI Failure\nMessage: a b   c\n\n");
    }

    #[test]
    fn quoting() {
        for (quoted, plain) in [("a%20b", "a b"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%2525", "%25")]
        {
            assert_eq!(dequoted(quoted.as_bytes()), plain.as_bytes(), "{quoted}");
        }
    }
}
