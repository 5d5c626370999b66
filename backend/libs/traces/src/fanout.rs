//! One change that is told to many: a trace shows some of the deliveries, not a thousand.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::TraceContext;

/// Deliveries of one change that a process records.
const RECORDED: u32 = 16;

/// Where a change stands in its trace, and how many of its deliveries may still be recorded.
#[derive(Debug)]
pub struct Fanout {
    context: TraceContext,
    left: AtomicU32,
}

impl Fanout {
    /// Of a change that is recorded.
    pub fn new(context: TraceContext) -> Self {
        Self { context, left: AtomicU32::new(RECORDED) }
    }

    /// The change's place.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// The same, for a delivery that may be recorded.
    pub fn next(&self) -> Option<TraceContext> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.is_ok().then_some(self.context)
    }
}

impl PartialEq for Fanout {
    fn eq(&self, other: &Self) -> bool {
        self.context == other.context
    }
}

impl Eq for Fanout {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_deliveries_a_few_are_recorded() {
        let fanout = Fanout::new(TraceContext::root());
        assert_eq!((0..1000).filter_map(|_| fanout.next()).count(), 16);
    }
}
