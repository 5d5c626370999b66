//! An error and what is behind it, in one line.

use std::error::Error;

/// All sentences of an error's chain; one that only repeats the one before is left out.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let sentence = error.to_string();
        if !text.ends_with(&sentence) {
            text.push_str(": ");
            text.push_str(&sentence);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PublishError;

    #[test]
    fn a_chain_names_every_cause() {
        let error = PublishError { accepted: 2, cause: "no leader".into() };
        assert_eq!(chain(&error), "the bus has got 2 events of the batch: no leader");
    }
}
