//! Tracing as those see it who are traced.

mod costs;
