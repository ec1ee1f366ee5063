//! What the cache says when it is not as it should be. A program of its own: tracing decides once a call site whether anybody
//! listens, so tests of other threads, which do not, would race with the one that does.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test panics where something is not as it should be"
)]

mod cache;

use cache::*;
use genred::cache::Cache;
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Collects the warnings of this thread.
#[derive(Clone, Default)]
struct Warnings(Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "genred::cache" && *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn warnings_are_given_once_a_reason() {
    let warnings = Warnings::default();
    let taken = || std::mem::take(&mut *warnings.0.lock().unwrap());
    tracing::subscriber::with_default(warnings.clone(), || {
        let (_temp, dir) = temp();
        let cache = open(&dir);
        for n in 0..10 {
            obtain(&cache, &key(n));
            obtain(&cache, &key(n));
        }
        assert_eq!(taken(), Vec::<String>::new(), "nothing is wrong");
        for n in 0..10 {
            plant(&dir, &key(n), b"garbage");
            obtain(&cache, &key(n));
        }
        assert_eq!(taken(), ["entry not used: The file is too small or too large to be an entry."]);
        plant(&dir, &key(0), &entry_bytes(&key(1)));
        obtain(&cache, &key(0));
        assert_eq!(taken(), ["entry not used: The entry is another key's."]);
        chmod(&dir, 0o777);
        let cache = Cache::open(options(&dir).system("/no such directory"));
        let refused = taken();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].starts_with("kernels are not cached: `"), "{refused:?}");
        obtain(&cache, &key(0));
        obtain(&cache, &key(1));
        assert_eq!(taken(), Vec::<String>::new(), "said already");
        chmod(&dir, 0o700);
        let faulty = Faulty::new();
        let cache = Cache::open(options(&dir).fs(faulty.clone()));
        faulty.hook(|name, _| (name == "write").then(|| Errno::NOSPC.into()));
        for n in 100..110 {
            obtain(&cache, &key(n));
        }
        let full = taken();
        assert_eq!(full.len(), 1, "{full:?}");
        assert!(full[0].starts_with("kernels are no longer stored: The disk or the quota is full"));
    });
}
