//! Cursors of the stream of events: what is read is written again as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use messaging_service::model::Cursor;

fuzz_target!(|text: &str| {
    if let Ok(cursor) = Cursor::parse(text) {
        assert_eq!(cursor.encode(), text);
    }
});
