//! A Redis of the test's own.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::eventually;

const START_WITHIN: Duration = Duration::from_secs(20);

/// Everything that a Redis has been told since one began to listen: each command, whether it stored something or not.
pub struct Overheard(Arc<Mutex<Vec<u8>>>);

impl Overheard {
    /// It, as Redis writes it down.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// A Redis on a port of its own, which keeps nothing and ends with the test.
pub struct TestRedis {
    port: u16,
    process: Child,
}

impl TestRedis {
    /// Starts the `redis-server` that is on the machine.
    ///
    /// # Panics
    /// If there is none, or it does not start.
    pub async fn start() -> Self {
        // The port is free at this moment; who takes it meanwhile makes the start fail, and the next is tried.
        for _ in 0..5 {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = listener.local_addr().expect("a bound listener has an address").port();
            drop(listener);
            let mut process = Self::run(port);
            let pid = process.id();
            let is_up = tokio::select! {
                () = answers(port, pid) => true,
                _ended = process.wait() => false,
            };
            if is_up {
                return Self { port, process };
            }
        }
        panic!("redis-server does not start on any port");
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it is, for a proxy before it.
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Listens to everything that it is told from now on (`MONITOR`), until it ends.
    ///
    /// # Panics
    /// If it does not let us.
    pub async fn overhear(&self) -> Overheard {
        let mut stream = TcpStream::connect(self.address()).await.expect("Redis answers");
        stream.write_all(b"MONITOR\r\n").await.expect("it takes a command");
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.expect("it answers");
        assert_eq!(&answer, b"+OK\r\n");
        let heard = Arc::new(Mutex::new(vec![]));
        let into = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..n]);
            }
        });
        Overheard(heard)
    }

    /// Ends it without a warning.
    ///
    /// # Panics
    /// If it can't be killed.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("a process can be killed");
    }

    /// Starts it again where it was.
    pub async fn restart(&mut self) {
        self.process = Self::run(self.port);
        answers(self.port, self.process.id()).await;
    }

    fn run(port: u16) -> Child {
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is needed by this test: `make setup` installs it, or apt-get install redis-server")
    }
}

/// Waits until the process answers there: another test's Redis may have taken the port, and would be killed under our feet.
async fn answers(port: u16, pid: Option<u32>) {
    let pid = format!("process_id:{}\r\n", pid.expect("it has not been waited for"));
    eventually("Redis answers", START_WITHIN, async || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(b"INFO server\r\n").await.ok()?;
        let mut said = Vec::new();
        while let Ok(1..) = stream.read_buf(&mut said).await {
            let text = String::from_utf8_lossy(&said);
            if let Some(at) = text.find("process_id:")
                && text[at..].contains("\r\n")
            {
                return text.contains(&pid).then_some(());
            }
        }
        None
    })
    .await;
}
