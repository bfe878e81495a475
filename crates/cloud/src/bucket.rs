//! A bucket, or the part of one below a prefix, as a tier.
//!
//! Life: made of an address without a look at anything; client and runtime are made at the first request. A bucket checks nothing that is put there,
//! so content is compared with its name before it is sent.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use once_cell::sync::OnceCell;
use tokio::runtime::{self, Runtime};
use vcache_remote::wire::{Entry, LARGEST_ENTRY, alias_name};
use vcache_remote::{Address, Cloud, Location};
use vcache_store::{Blob, Incoming, Key, Kind, Record, Sha256Id, Tier, TierError};

use crate::stream::{Arriving, SendError, send};
use crate::trouble::{Trouble, hint, is_about_the_bucket, said};
use crate::{Variable, client};

pub(crate) struct Bucket {
    address: Address,
    variables: Vec<Variable>,
    opened: OnceCell<Opened>,
}

/// The environment holds secrets.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.address.name).finish()
    }
}

struct Opened {
    cloud: Cloud,
    prefix: Path,
    store: Arc<dyn ObjectStore>,
    /// Driven by whoever waits for an answer.
    runtime: Arc<Runtime>,
}

impl Bucket {
    pub(crate) fn new(address: Address, variables: &[Variable]) -> Self {
        Self { address, variables: variables.to_vec(), opened: OnceCell::new() }
    }

    fn opened(&self) -> Result<&Opened, TierError> {
        self.opened.get_or_try_init(|| {
            let Location::Bucket { cloud, bucket, prefix } = &self.address.location else {
                return Err("is no bucket".into());
            };
            let store = client::client(*cloud, bucket, self.address.instance, &self.variables)
                .map_err(|error| TierError::from(said(&error)))?;
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(Opened { cloud: *cloud, prefix: Path::parse(prefix)?, store, runtime: Arc::new(runtime) })
        })
    }

    fn entry(&self, name: &str) -> Result<Option<Entry>, TierError> {
        let Some(answer) = self.opened()?.get("ac", name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        answer.content.take(LARGEST_ENTRY).read_to_end(&mut bytes)?;
        Ok(Some(Entry::decode(&bytes)?))
    }

    fn put_entry(&self, name: &str, entry: &Entry) -> Result<(), TierError> {
        let opened = self.opened()?;
        let path = opened.path("ac", name);
        let put = opened.runtime.block_on(opened.store.put(&path, entry.encode().into()));
        Ok(put.map(|_| ()).map_err(|error| opened.trouble("put", &path, &error))?)
    }
}

impl Opened {
    fn path(&self, room: &str, name: &str) -> Path {
        self.prefix.clone().join(room).join(name)
    }

    fn trouble(&self, action: &'static str, path: &Path, error: &object_store::Error) -> Trouble {
        let said = said(error);
        Trouble { action, path: path.to_string(), hint: hint(self.cloud, error, &said), said }
    }

    /// `None`: it is not there, though the bucket is.
    fn get(&self, room: &str, name: &str) -> Result<Option<Incoming>, TierError> {
        let path = self.path(room, name);
        match self.runtime.block_on(self.store.get(&path)) {
            Ok(answer) => {
                let size = answer.meta.size;
                let runtime = Arc::clone(&self.runtime);
                let content = Arriving { runtime, stream: answer.into_stream(), piece: Bytes::new() };
                Ok(Some(Incoming { size, blake3: None, content: Box::new(content) }))
            }
            Err(error) => self.absent(error, &path),
        }
    }

    fn absent<T>(&self, error: object_store::Error, path: &Path) -> Result<Option<T>, TierError> {
        match error {
            object_store::Error::NotFound { .. } if !is_about_the_bucket(&said(&error)) => Ok(None),
            error => Err(self.trouble("get", path, &error).into()),
        }
    }
}

impl Tier for Bucket {
    fn name(&self) -> &str {
        &self.address.name
    }

    fn is_trusted(&self) -> bool {
        self.address.trusted
    }

    fn is_written(&self) -> bool {
        !self.address.read_only
    }

    fn record_named(&self, name: &str) -> Result<Option<(Kind, Record)>, TierError> {
        Ok(self.entry(name)?.and_then(Entry::into_record))
    }

    fn alias(&self, md5: &[u8; 16]) -> Result<Option<Sha256Id>, TierError> {
        Ok(self.entry(&alias_name(md5))?.map(|entry| entry.content()))
    }

    fn content(&self, id: &Sha256Id) -> Result<Option<Incoming>, TierError> {
        self.opened()?.get("cas", &id.to_string())
    }

    fn has_content(&self, id: &Sha256Id) -> Result<bool, TierError> {
        let opened = self.opened()?;
        let path = opened.path("cas", &id.to_string());
        match opened.runtime.block_on(opened.store.head(&path)) {
            Ok(_) => Ok(true),
            Err(error) => Ok(opened.absent::<()>(error, &path)?.is_some()),
        }
    }

    fn put_content(&self, blob: &Blob) -> Result<(), TierError> {
        blob.verify()?;
        let opened = self.opened()?;
        let path = opened.path("cas", &blob.id().to_string());
        match opened.runtime.block_on(send(opened.store.as_ref(), &path, blob)) {
            Ok(()) => Ok(()),
            Err(SendError::Content(error)) => Err(error.into()),
            Err(SendError::Store(error)) => Err(opened.trouble("put", &path, &error).into()),
        }
    }

    fn put_alias(&self, md5: &[u8; 16], id: &Sha256Id, size: u64) -> Result<(), TierError> {
        self.put_entry(&alias_name(md5), &Entry::Alias(*id, size))
    }

    fn put_record(&self, key: &Key, record: &Record) -> Result<(), TierError> {
        self.put_entry(&key.name(), &Entry::record(key, record))
    }

    fn event(&self, _line: &str) {}

    fn blame(&self, _id: &Sha256Id) {}
}
