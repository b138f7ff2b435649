//! A bucket on an S3 API server, and the program with its settings.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::http::{Message, call};
use super::proxy::{Proxy, Rule};

/// The server of one test, stopped on drop.
pub struct World {
    server: Child,
    pub port: u16,
    pub dir: tempfile::TempDir,
}

impl World {
    /// Panics where moto is not installed: a test that cannot run must not pass.
    pub fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let named = std::env::var_os("ROLLSHARE_MOTO_PYTHON").map(PathBuf::from);
        let pythons = named.into_iter().chain([root.join(".venv/s3/bin/python"), "python3".into()]);
        for python in pythons {
            let server = Command::new(&python)
                .arg(root.join("tests/s3/server.py"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let Ok(mut server) = server else { continue };
            let mut line = String::new();
            let _ = BufReader::new(server.stdout.take().unwrap()).read_line(&mut line);
            if let Ok(port) = line.trim().parse() {
                let world = World { server, port, dir: tempfile::tempdir().unwrap() };
                assert_eq!(call(port, "PUT", "/bucket", b"").status(), 200);
                return world;
            }
            let _ = server.wait();
        }
        panic!(
            "NOT RUN: no S3 API server: 'make s3-server' sets up moto in .venv/s3, or name a Python \
             that has moto[server] with ROLLSHARE_MOTO_PYTHON"
        )
    }

    pub fn server_pid(&self) -> u32 {
        self.server.id()
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        assert_eq!(call(self.port, "PUT", &format!("/bucket/{}", escape(key)), bytes).status(), 200, "{key}");
    }

    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let response: Message = call(self.port, "GET", &format!("/bucket/{}", escape(key)), b"");
        (response.status() == 200).then_some(response.body)
    }

    /// Every key below `prefix`, without history and reports beside targets.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let mut keys = self.all_keys(prefix);
        keys.retain(|key| !key.contains("_rollshare/"));
        keys
    }

    /// Every key below `prefix`.
    pub fn all_keys(&self, prefix: &str) -> Vec<String> {
        let target =
            format!("/bucket?list-type=2&max-keys=1000&prefix={}", escape(prefix).replace('/', "%2F"));
        let text = String::from_utf8(call(self.port, "GET", &target, b"").body).unwrap();
        text.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned()).collect()
    }

    /// Number of multipart uploads that are neither completed nor aborted.
    pub fn uploads(&self) -> usize {
        let text = String::from_utf8(call(self.port, "GET", "/bucket?uploads", b"").body).unwrap();
        text.matches("<UploadId>").count()
    }

    /// Uploads every file below a folder.
    pub fn upload(&self, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let key = format!("{prefix}/{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                self.upload(&path, &key);
            } else {
                self.put(&key, &std::fs::read(&path).unwrap());
            }
        }
    }

    /// The sample export, the same for every test.
    pub fn sample(&self, rows: u32) -> Vec<u8> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let path = self.dir.path().join(format!("{}.parquet", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let out =
            program().args(["sample", "--quiet", "--rows", &rows.to_string(), "--out"]).arg(&path).status();
        assert!(out.unwrap().success());
        std::fs::read(path).unwrap()
    }

    pub fn proxy(&self, rules: Vec<Rule>) -> Proxy {
        Proxy::new(self.port, rules)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The program, without the S3 settings of the environment.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.ends_with("_PROXY")) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The program with S3 at a port.
pub fn at(port: u16) -> Command {
    let mut command = program();
    command
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("ROLLSHARE_S3_TIMEOUT", "1");
    command
}

/// `rollshare run` with S3 at a port, without checks, which read the rows again.
pub fn run(port: u16, arguments: &[&str]) -> Output {
    at(port).args(["run", "--no-checks"]).args(arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn escape(key: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~');
    key.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
