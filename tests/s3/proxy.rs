//! A proxy between the program and the S3 server that injects faults.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::http::{Message, send};

/// A fault at a request or its response.
#[derive(Clone)]
pub enum Fault {
    /// S3 returns an error: status, code, message and an additional header.
    Status(u16, &'static str, &'static str, (&'static str, &'static str)),
    /// The connection is reset before the response.
    Reset,
    /// The connection is reset after this many bytes of the body.
    ResetAfter(usize),
    /// The body is cut to this many bytes, with a matching length header.
    Short(usize),
    /// The response stalls after this many bytes of the body; `None`: before the response.
    Stall(Option<usize>),
    /// The store executes the request, and the response is lost.
    Lost,
    /// An action runs before the request is forwarded.
    Before(Arc<dyn Fn() + Send + Sync>),
}

/// A fault and the requests that it applies to.
#[derive(Clone)]
pub struct Rule {
    pub method: &'static str,
    /// A part of the path and query.
    pub target: &'static str,
    /// Number of matching requests to skip first.
    pub skip: usize,
    /// Number of requests to fail then.
    pub times: usize,
    pub fault: Fault,
}

/// A request that was forwarded.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub range: Option<String>,
    pub if_match: Option<String>,
    pub status: u16,
    pub bytes: usize,
}

/// A proxy in front of the server at a port.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    upstream: u16,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
}

impl Proxy {
    pub fn new(upstream: u16, rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { upstream, rules: Mutex::new(rules), seen: Mutex::default() });
        let shared = state.clone();
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || {
                    let _ = state.serve(stream);
                });
            }
        });
        Proxy { port, state }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The GETs of objects.
    pub fn reads(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.range.is_some()).collect()
    }
}

impl State {
    fn fault(&self, request: &Message) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let fits = |rule: &&mut Rule| {
            rule.times > 0 && rule.method == request.method() && request.target().contains(rule.target)
        };
        let rule = rules.iter_mut().find(fits)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let Some(request) = Message::read(&mut stream)? else { return Ok(()) };
        let fault = self.fault(&request);
        match &fault {
            Some(Fault::Reset) => return reset(stream),
            Some(Fault::Stall(None)) => {
                self.note(&request, 0, 0);
                std::thread::sleep(Duration::from_secs(30));
                return Ok(());
            }
            Some(Fault::Status(status, code, message, (name, value))) => {
                let body = format!(
                    "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
                );
                let body = if request.method() == "HEAD" { String::new() } else { body };
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n{name}: {value}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                self.note(&request, *status, body.len());
                return Message { head, body: body.into_bytes() }.write(&mut stream);
            }
            Some(Fault::Before(act)) => act(),
            _ => {}
        }
        let mut response = send(self.upstream, &request)?.with("Connection", "close");
        // moto uses another root element than S3, which the SDK rejects.
        if let Ok(text) = std::str::from_utf8(&response.body)
            && text.contains("CompleteMultipartUploadResponse")
        {
            response.body =
                text.replace("CompleteMultipartUploadResponse", "CompleteMultipartUploadResult").into();
            response = response.clone().with("Content-Length", &response.body.len().to_string());
        }
        self.note(&request, response.status(), response.body.len());
        match fault {
            Some(Fault::Lost) => reset(stream),
            Some(Fault::ResetAfter(bytes)) => {
                response.body.truncate(bytes);
                response.write(&mut stream)?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(20));
                reset(stream)
            }
            Some(Fault::Short(bytes)) => {
                response.body.truncate(bytes);
                response = response.clone().with("Content-Length", &response.body.len().to_string());
                response.write(&mut stream)
            }
            Some(Fault::Stall(Some(bytes))) => {
                response.body.truncate(bytes);
                response.write(&mut stream)?;
                stream.flush()?;
                std::thread::sleep(Duration::from_secs(30));
                Ok(())
            }
            _ => {
                response.write(&mut stream)?;
                stream.shutdown(Shutdown::Write)
            }
        }
    }

    fn note(&self, request: &Message, status: u16, bytes: usize) {
        let header = |name| request.header(name).map(str::to_owned);
        self.seen.lock().unwrap().push(Seen {
            method: request.method().to_owned(),
            target: request.target().to_owned(),
            range: header("range"),
            if_match: header("if-match"),
            status,
            bytes,
        });
    }
}

/// Closes the connection by a reset.
fn reset(stream: TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).map_err(std::io::Error::from)?;
    drop(stream);
    Ok(())
}
