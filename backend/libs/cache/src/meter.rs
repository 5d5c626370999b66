//! What is counted of a cache.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Counts for one cache, which the label `cache` names. The hit ratio is hits / (hits + misses).
pub struct Meter {
    hits: Counter,
    misses: Counter,
    joined: Counter,
    refused: Counter,
    ages: Histogram,
    entries: Gauge,
}

impl Meter {
    /// Registers the counters; the process's recorder must be installed already.
    pub fn new(cache: &'static str) -> Self {
        describe_counter!("nova_cache_hits_total", "Answers that were remembered");
        describe_counter!("nova_cache_misses_total", "Answers that were not remembered, or did not count any more");
        describe_counter!("nova_cache_joined_total", "Misses that waited for somebody who asked the same already");
        describe_counter!("nova_cache_fills_refused_total", "Answers not remembered because they may be out of date");
        describe_histogram!("nova_cache_served_age_seconds", "How old what was remembered was when it was served");
        describe_gauge!("nova_cache_entries", "Entries in memory");
        Self {
            hits: counter!("nova_cache_hits_total", "cache" => cache),
            misses: counter!("nova_cache_misses_total", "cache" => cache),
            joined: counter!("nova_cache_joined_total", "cache" => cache),
            refused: counter!("nova_cache_fills_refused_total", "cache" => cache),
            ages: histogram!("nova_cache_served_age_seconds", "cache" => cache),
            entries: gauge!("nova_cache_entries", "cache" => cache),
        }
    }

    /// Something was remembered, and can't be out of date.
    pub fn hit(&self) {
        self.hits.increment(1);
    }

    /// Something was remembered that was true so long ago.
    pub fn hit_of_age(&self, age: Duration) {
        self.hits.increment(1);
        self.ages.record(age);
    }

    /// Nothing was remembered, or it did not count any more.
    pub fn miss(&self) {
        self.misses.increment(1);
    }

    /// After a miss, somebody else was asking the same already.
    pub fn joined(&self) {
        self.joined.increment(1);
    }

    /// An answer was not remembered: something was forgotten while it was on its way.
    pub fn fill_refused(&self) {
        self.refused.increment(1);
    }

    /// So many entries are in memory.
    pub fn entries(&self, entries: u64) {
        self.entries.set(entries as f64);
    }
}
