//! The part of HTTP/1.1 that the tests need: messages with a length.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A request or a response: start line, headers and body.
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub head: String,
    pub body: Vec<u8>,
}

impl Message {
    /// Reads a message; `None` where the peer has closed the connection.
    pub fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                return Ok(None);
            }
            head.push(byte[0]);
        }
        let mut message = Message { head: String::from_utf8_lossy(&head).into_owned(), body: Vec::new() };
        if message.header("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        // The response to HEAD has a length and no body: callers know the method.
        let len = message.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        message.body = vec![0; len];
        if let Err(e) = stream.read_exact(&mut message.body) {
            if !message.head.starts_with("HTTP/") {
                return Err(e);
            }
            message.body.clear();
        }
        Ok(Some(message))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(self.head.as_bytes())?;
        stream.write_all(&self.body)
    }

    /// Adds a header, or replaces the one of that name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let mut lines: Vec<&str> = self.head.trim_end().split("\r\n").collect();
        let other =
            |line: &&str| !line.to_ascii_lowercase().starts_with(&format!("{}:", name.to_ascii_lowercase()));
        lines.retain(other);
        self.head = format!("{}\r\n{name}: {value}\r\n\r\n", lines.join("\r\n"));
        self
    }
}

/// Sends a request to the server at `port`; returns the response.
pub fn send(port: u16, request: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let request = request.clone().with("Connection", "close");
    request.write(&mut stream)?;
    Message::read(&mut stream)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0";

/// Sends a request of the tests. moto does not verify signatures, but requires one.
pub fn call(port: u16, method: &str, target: &str, body: &[u8]) -> Message {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n{SIGNED}\r\n\r\n",
        body.len()
    );
    send(port, &Message { head, body: body.to_vec() }).unwrap()
}
