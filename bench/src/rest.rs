//! A client of REST that keeps its connection (HTTP/1.1) for as long as the other side does.

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// See the module.
pub struct Rest {
    port: u16,
    token: String,
    connection: Option<BufReader<TcpStream>>,
    /// Connections that were closed before their answer, on which nothing of one had come: repeated over another, as RFC 9110
    /// (9.2.2) has clients do it with what may be repeated.
    pub repeated: usize,
}

/// Why there is no answer.
enum Fault {
    /// The connection that was kept is not there any more.
    Stale,
    /// Anything else.
    Other(anyhow::Error),
}

impl Rest {
    /// A client of whoever listens on `port`.
    pub fn new(port: u16, token: String) -> Self {
        Self { port, token, connection: None, repeated: 0 }
    }

    /// Asks for something: the status, and what was answered.
    pub async fn call(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: nova\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let was_kept = self.connection.is_some();
        match self.exchange(&request).await {
            Ok(answer) => Ok(answer),
            Err(Fault::Stale) if was_kept => {
                self.repeated += 1;
                match self.exchange(&request).await {
                    Ok(answer) => Ok(answer),
                    Err(Fault::Stale) => bail!("a new connection was closed without an answer"),
                    Err(Fault::Other(error)) => Err(error),
                }
            }
            Err(Fault::Stale) => bail!("a new connection was closed without an answer"),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    async fn exchange(&mut self, request: &str) -> Result<(u16, String), Fault> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|e| Fault::Other(e.into()))?;
                stream.set_nodelay(true).map_err(|error| Fault::Other(error.into()))?;
                BufReader::new(stream)
            }
        };
        connection.get_mut().write_all(request.as_bytes()).await.map_err(|_| Fault::Stale)?;
        let mut line = String::new();
        match connection.read_line(&mut line).await {
            Ok(0) | Err(_) => return Err(Fault::Stale),
            Ok(_) => {}
        }
        let (answer, is_kept) = read(&mut connection, &line).await.map_err(Fault::Other)?;
        if is_kept {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

/// The rest of an answer whose first line was read, and whether the connection goes on.
async fn read(connection: &mut BufReader<TcpStream>, first: &str) -> anyhow::Result<((u16, String), bool)> {
    let status: u16 = first.split_whitespace().nth(1).context("a status line")?.parse()?;
    let (mut length, mut is_kept) = (None, true);
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let line = line.trim().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("content-length", value)) => length = Some(value.parse()?),
            Some(("connection", "close")) => is_kept = false,
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length.context("an answer of known length")?];
    connection.read_exact(&mut body).await?;
    Ok(((status, String::from_utf8(body)?), is_kept))
}
