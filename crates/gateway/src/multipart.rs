//! Reading `multipart/form-data` as it comes (RFC 7578, RFC 2046). No I/O.

use bytes::{Buf, Bytes, BytesMut};

/// The longest boundary, as RFC 2046 has it.
const BOUNDARY_BYTES: usize = 70;

/// The most bytes of one part's headers.
const HEAD_BYTES: usize = 16 * 1024;

/// What comes next of a form.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins. Names of headers are in small letters.
    Part(Vec<(String, String)>),
    /// Bytes of it.
    Data(Bytes),
    /// It ends.
    PartEnd,
    /// The form ends. What comes behind it is nothing.
    End,
    /// More must be pushed first.
    More,
}

/// What is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with its boundary.
    #[error("invalid starting boundary")]
    Start,
    /// Something in it is not as it must be.
    #[error("the form is malformed")]
    Form,
}

enum At {
    /// Before the first boundary.
    Start,
    /// Behind a boundary.
    Boundary,
    Head,
    Data,
    End,
}

/// A form that is read.
pub struct Form {
    /// A line's end, two dashes and the boundary.
    delimiter: Vec<u8>,
    pending: BytesMut,
    at: At,
}

impl Form {
    /// A form with this boundary, if it can be one.
    pub fn new(boundary: &str) -> Option<Self> {
        let fits = (1..=BOUNDARY_BYTES).contains(&boundary.len());
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        fits.then(|| Self { delimiter, pending: BytesMut::new(), at: At::Start })
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.at, At::End) {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// This is no form.
    pub fn next(&mut self) -> Result<Event, Malformed> {
        loop {
            match self.at {
                At::Start => {
                    let first = &self.delimiter[2..];
                    let there = self.pending.len().min(first.len());
                    if self.pending[..there] != first[..there] {
                        return Err(Malformed::Start);
                    }
                    if there < first.len() {
                        return Ok(Event::More);
                    }
                    self.pending.advance(there);
                    self.at = At::Boundary;
                }
                At::Boundary => match self.pending.get(..2) {
                    None => return Ok(Event::More),
                    Some(b"\r\n") => {
                        // The line's end stays: it is the empty line of a part without headers.
                        self.at = At::Head;
                    }
                    Some(b"--") => self.at = At::End,
                    Some(_) => return Err(Malformed::Form),
                },
                At::Head => {
                    let Some(end) = find(&self.pending, b"\r\n\r\n") else {
                        return match self.pending.len() > HEAD_BYTES {
                            true => Err(Malformed::Form),
                            false => Ok(Event::More),
                        };
                    };
                    let head = head(&self.pending[..end])?;
                    // The last line's end may begin the delimiter of a part without bytes.
                    self.pending.advance(end + 2);
                    self.at = At::Data;
                    self.skip_line()?;
                    return Ok(Event::Part(head));
                }
                At::Data => {
                    if let Some(at) = find(&self.pending, &self.delimiter) {
                        if at > 0 {
                            return Ok(Event::Data(self.pending.split_to(at).freeze()));
                        }
                        self.pending.advance(self.delimiter.len());
                        self.at = At::Boundary;
                        return Ok(Event::PartEnd);
                    }
                    // What may be the beginning of the delimiter waits for the rest.
                    let keep = (0..self.delimiter.len().min(self.pending.len() + 1))
                        .rev()
                        .find(|n| self.pending.ends_with(&self.delimiter[..*n]))
                        .unwrap_or(0);
                    return Ok(match self.pending.len() - keep {
                        0 => Event::More,
                        sure => Event::Data(self.pending.split_to(sure).freeze()),
                    });
                }
                At::End => {
                    self.pending.clear();
                    return Ok(Event::End);
                }
            }
        }
    }

    /// Takes the end of the headers' last line.
    fn skip_line(&mut self) -> Result<(), Malformed> {
        match self.pending.get(..2) {
            Some(b"\r\n") => {
                self.pending.advance(2);
                Ok(())
            }
            _ => Err(Malformed::Form),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn head(bytes: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Form)?;
    let mut headers = Vec::new();
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(Malformed::Form)?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(headers)
}

/// A header's value and its parameters, `form-data; name="a"`. Names are in small letters.
pub fn parameters(value: &str) -> (String, Vec<(String, String)>) {
    let (main, mut rest) = value.split_once(';').unwrap_or((value, ""));
    let mut parameters = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim().trim_start_matches(';').trim().to_ascii_lowercase();
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => {
                // Browsers escape quotation marks as %22; a backslash before one is older.
                let mut end = quoted.len();
                let mut escaped = false;
                for (at, c) in quoted.char_indices() {
                    if c == '"' && !escaped {
                        end = at;
                        break;
                    }
                    escaped = c == '\\' && !escaped;
                }
                (quoted[..end].replace("\\\"", "\""), quoted.get(end + 1..).unwrap_or(""))
            }
            None => {
                let (value, left) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), left)
            }
        };
        parameters.push((name, value));
        rest = left;
    }
    (main.trim().to_ascii_lowercase(), parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a form that comes in pieces of these lengths, again and again.
    fn read(form: &[u8], pieces: &[usize]) -> Result<Vec<(String, Vec<u8>)>, Malformed> {
        let mut reader = Form::new("bound").unwrap();
        let (mut parts, mut rest, mut pieces) = (Vec::new(), form, pieces.iter().cycle());
        loop {
            match reader.next()? {
                Event::Part(head) => parts.push((format!("{head:?}"), Vec::new())),
                Event::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    parts.last_mut().unwrap().1.extend_from_slice(&bytes);
                }
                Event::PartEnd => {}
                Event::End => return Ok(parts),
                Event::More if rest.is_empty() => return Err(Malformed::Form),
                Event::More => {
                    let (piece, left) = rest.split_at((*pieces.next().unwrap()).min(rest.len()));
                    reader.push(piece);
                    rest = left;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_form_is_read_whatever_pieces_it_comes_in(
            contents in prop::collection::vec(
                prop::collection::vec(prop::sample::select(b"\r\n-bound \0x".to_vec()), 0..40),
                0..4,
            ),
            pieces in prop::collection::vec(1usize..20, 1..6),
        ) {
            let has = |content: &Vec<u8>| find(content, b"\r\n--bound").is_some()
                || content.starts_with(b"--bound");
            prop_assume!(!contents.iter().any(has));
            let mut form = b"--bound".to_vec();
            for content in &contents {
                form.extend_from_slice(b"\r\nA: b\r\n\r\n");
                form.extend_from_slice(content);
                form.extend_from_slice(b"\r\n--bound");
            }
            form.extend_from_slice(b"--\r\n");
            let parts = read(&form, &pieces).unwrap();
            let read: Vec<_> = parts.into_iter().map(|(_, content)| content).collect();
            prop_assert_eq!(read, contents);
        }

        #[test]
        fn nothing_is_too_strange(
            form in prop::collection::vec(prop::sample::select(b"\r\n-bound:\0x".to_vec()), 0..200),
            pieces in prop::collection::vec(1usize..20, 1..6),
        ) {
            let _ = read(&form, &pieces);
            let _ = read(&[b"--bound\r\n".as_slice(), &form].concat(), &pieces);
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        assert_eq!(read(b"x", &[1]), Err(Malformed::Start));
        assert_eq!(read(b"--bounx", &[100]), Err(Malformed::Start));
        assert_eq!(read(b"--boundx", &[100]), Err(Malformed::Form));
        assert_eq!(read(b"--bound\r\nno colon\r\n\r\n", &[100]), Err(Malformed::Form));
        let endless = [b"--bound\r\n".as_slice(), &vec![b'x'; HEAD_BYTES + 1]].concat();
        assert_eq!(read(&endless, &[1000]), Err(Malformed::Form));
        assert_eq!(read(b"--bound--", &[3]), Ok(vec![]));
        assert!(Form::new("").is_none() && Form::new(&"x".repeat(71)).is_none());
    }

    #[test]
    fn parameters_are_taken_apart() {
        let pairs = |value: &str| {
            let (main, pairs) = parameters(value);
            format!("{main} {pairs:?}")
        };
        assert_eq!(
            pairs(r#"Form-Data; name="file1"; FileName="a;b \"c\".txt""#),
            r#"form-data [("name", "file1"), ("filename", "a;b \"c\".txt")]"#
        );
        assert_eq!(
            pairs("multipart/form-data;boundary=a"),
            r#"multipart/form-data [("boundary", "a")]"#
        );
        assert_eq!(pairs("text/plain"), "text/plain []");
        assert_eq!(pairs("x; a=\"b"), r#"x [("a", "b")]"#);
        assert_eq!(pairs("x; ; a = b ;c"), r#"x [("a", "b")]"#);
    }

    proptest! {
        #[test]
        fn parameters_come_back(pairs in prop::collection::vec(("[a-z]{1,5}", "[^\\\\]{0,12}"), 0..4)) {
            let mut header = "form-data".to_owned();
            for (name, value) in &pairs {
                header.push_str(&format!("; {name}=\"{}\"", value.replace('"', "\\\"")));
            }
            prop_assert_eq!(parameters(&header), ("form-data".to_owned(), pairs));
        }

        #[test]
        fn no_header_does_harm(header in "\\PC{0,30}|[a;=\"\\\\ ]{0,20}") {
            let _ = parameters(&header);
        }
    }
}
