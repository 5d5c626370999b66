//! A value that is made of files, and made anew when they change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::Fault;

/// What a file held; None if it could not be read. A digest, so that no second copy of a key stays in memory.
type Seen = Vec<Option<[u8; 32]>>;
/// What files hold, in the order of their paths; wiped from memory when dropped.
type Contents = Vec<Zeroizing<Vec<u8>>>;
/// Makes the value of the files' contents.
type Make<T> = Box<dyn Fn(&[Zeroizing<Vec<u8>>]) -> Result<T, Fault> + Send + Sync>;

/// See the module. The contents are compared, not the times: what mounts a secret may keep or invent those.
pub(crate) struct Watched<T> {
    paths: Vec<PathBuf>,
    make: Make<T>,
    current: RwLock<Arc<T>>,
    seen: Mutex<Seen>,
}

impl<T> Watched<T> {
    /// Reads the files for the first time.
    pub fn open(
        paths: Vec<PathBuf>,
        make: impl Fn(&[Zeroizing<Vec<u8>>]) -> Result<T, Fault> + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let (seen, contents) = read(&paths);
        let current = RwLock::new(Arc::new(make(&contents?)?));
        Ok(Self { paths, make: Box::new(make), current, seen: Mutex::new(seen) })
    }

    /// The value of the last contents that were good.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again; tells whether there is a new value. Contents that are at fault leave the value as it is, and
    /// are told of once.
    pub fn look(&self) -> Result<bool, Fault> {
        let (now, contents) = read(&self.paths);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(false);
        }
        *seen = now;
        let new = (self.make)(&contents?)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(true)
    }
}

fn read(paths: &[PathBuf]) -> (Seen, Result<Contents, Fault>) {
    let mut seen = vec![];
    let mut contents = Ok(vec![]);
    for path in paths {
        match std::fs::read(path).map(Zeroizing::new) {
            Ok(content) => {
                seen.push(digest(&SHA256, &content).as_ref().try_into().ok());
                if let Ok(contents) = &mut contents {
                    contents.push(content);
                }
            }
            Err(source) => {
                seen.push(None);
                contents = contents.and(Err(Fault::Unreadable { path: path.clone(), source }));
            }
        }
    }
    (seen, contents)
}
