//! What can go wrong between a client and S3, put in its way.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::http::{Message, ask};

/// What happens to a request instead of, or along with, its answer.
#[derive(Clone)]
pub enum Fault {
    /// S3 says something else: status, code, message and a header more.
    Says(u16, &'static str, &'static str, (&'static str, &'static str)),
    /// The connection is reset before any answer.
    Reset,
    /// The answer breaks off after so many bytes of its body, as a reset.
    ResetAfter(usize),
    /// The answer's body ends early, and its length says nothing of it.
    Short(usize),
    /// Nothing comes any more after so many bytes of the body; `None`: not even an answer.
    Stall(Option<usize>),
    /// The store did what it was asked, and the answer was lost.
    Lost,
    /// Something happens before the store sees the request.
    Before(Arc<dyn Fn() + Send + Sync>),
}

/// Which requests a fault is for.
#[derive(Clone)]
pub struct Rule {
    pub method: &'static str,
    /// Part of path and query.
    pub target: &'static str,
    /// Skipped so many times first.
    pub skip: usize,
    /// Then so many times.
    pub times: usize,
    pub fault: Fault,
}

/// One request that came by.
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
        // Ends with the test process: it holds nothing that has to be given back.
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
            Some(Fault::Says(status, code, message, (name, value))) => {
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
        let mut answer = ask(self.upstream, &request)?.with("Connection", "close");
        // moto names the root otherwise than S3 does, and the SDK minds.
        if let Ok(text) = std::str::from_utf8(&answer.body)
            && text.contains("CompleteMultipartUploadResponse")
        {
            answer.body =
                text.replace("CompleteMultipartUploadResponse", "CompleteMultipartUploadResult").into();
            answer = answer.clone().with("Content-Length", &answer.body.len().to_string());
        }
        self.note(&request, answer.status(), answer.body.len());
        match fault {
            Some(Fault::Lost) => reset(stream),
            Some(Fault::ResetAfter(bytes)) => {
                answer.body.truncate(bytes);
                answer.write(&mut stream)?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(20));
                reset(stream)
            }
            Some(Fault::Short(bytes)) => {
                answer.body.truncate(bytes);
                answer = answer.clone().with("Content-Length", &answer.body.len().to_string());
                answer.write(&mut stream)
            }
            Some(Fault::Stall(Some(bytes))) => {
                answer.body.truncate(bytes);
                answer.write(&mut stream)?;
                stream.flush()?;
                std::thread::sleep(Duration::from_secs(30));
                Ok(())
            }
            _ => {
                answer.write(&mut stream)?;
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

/// Closes with a reset, not with an end.
fn reset(stream: TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).map_err(std::io::Error::from)?;
    drop(stream);
    Ok(())
}
