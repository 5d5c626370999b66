//! What one request may cost before the guard knows of it.

use std::time::Duration;

/// Bounds on reading a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body in bytes, as sent and as decompressed.
    pub body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 1024 * 1024, body_time: Duration::from_secs(10) }
    }
}
