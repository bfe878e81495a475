//! An image as `docker save` writes it, read and written again without a folder.
//!
//! Format: a tar with `manifest.json`, a list of `{"Config": NAME, "RepoTags": […], "Layers": [NAME, …]}` (Docker image
//! specification 1.2, "Combined Image JSON + Filesystem Changeset Format"); `Config` is the OCI image configuration, whose
//! `rootfs.diff_ids` are the digests of the uncompressed layers. Since Docker 25 the names are those of an OCI layout, and
//! its index stands in the same tar; `docker load` needs none of it, so it is left out. Where the manifest stands is not
//! said, so layers are told from the rest by their first bytes.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use crate::layer::{GZIP, Layer, ZSTD, append};

/// Configurations and manifests are held in memory, so much of them; no engine writes larger ones.
const LARGEST: u64 = 16 << 20;

/// Why an image can't be written without the folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image can't be read to its end, or is no tar.
    #[error("the image can't be read: {0}")]
    Read(#[source] io::Error),
    /// The result can't be written.
    #[error("the image can't be written: {0}")]
    Write(#[source] io::Error),
    /// A layer has no room where temporary files are.
    #[error("a layer can't be put aside: {0}; set TMPDIR to a folder with room")]
    Spool(#[source] io::Error),
    /// Something in it is not what its name or the configuration says.
    #[error("`{name}` is damaged: it is sha256:{found}, not sha256:{expected}")]
    Damaged {
        /// Its name in the tar.
        name: String,
        /// The digest that was announced.
        expected: String,
        /// Its own.
        found: String,
    },
    /// It is a tar, but not an image.
    #[error("not an image as `docker save` writes it: {0}")]
    NotAnImage(String),
    /// It could not be done without damage.
    #[error("{0}: the image is left as it is")]
    Unsupported(&'static str),
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stripped {
    /// The new name of the image: `sha256:` and the digest of its configuration.
    pub id: String,
    /// Layers of which something went.
    pub layers: usize,
    /// Bytes that went, headers included.
    pub bytes: u64,
}

/// Reads an image and writes it without any folder of the name `folder`, under the names `tags`.
///
/// # Errors
/// [`Error`]; what is written by then is no whole image.
pub fn strip(
    input: &mut dyn Read,
    output: &mut dyn Write,
    folder: &str,
    tags: &[String],
) -> Result<Stripped, Error> {
    let mut out = Builder::new(output);
    let mut stripped = Stripped::default();
    let mut texts: HashMap<String, Vec<u8>> = HashMap::new();
    let mut digests: HashMap<String, Digests> = HashMap::new();
    let mut links: HashMap<String, String> = HashMap::new();
    let mut room = LARGEST;
    let mut archive = Archive::new(input);
    for entry in archive.entries().map_err(Error::Read)? {
        let mut entry = entry.map_err(Error::Read)?;
        let name = text(&entry.path_bytes())?;
        match entry.header().entry_type() {
            EntryType::Directory => {}
            // The same layer once more.
            EntryType::Symlink => {
                let target = text(&entry.link_name_bytes().unwrap_or_default())?;
                links.insert(name.clone(), beside(&name, &target));
            }
            EntryType::Regular | EntryType::Continuous => {
                let mut first = Vec::with_capacity(512);
                (&mut entry).take(512).read_to_end(&mut first).map_err(Error::Read)?;
                if is_layer(&first) {
                    let layer = Layer::read(&mut entry, &first, folder)?;
                    stripped.layers += usize::from(layer.dropped > 0);
                    stripped.bytes += layer.dropped;
                    let before = layer.diff_id.clone();
                    let now = append(&mut out, &name, layer)?;
                    digests.insert(name, Digests { before, now });
                } else if let Some(left) = room.checked_sub(entry.size()) {
                    entry.read_to_end(&mut first).map_err(Error::Read)?;
                    texts.insert(name, first);
                    room = left;
                }
            }
            _ => return Err(Error::NotAnImage(format!("`{name}` is neither a file nor a folder"))),
        }
    }
    let image = Image { texts: &texts, digests: &digests, links: &links };
    let (config, layers) = image.read()?;
    let digest = hex::encode(Sha256::digest(&config));
    let tags: Vec<String> = tags.iter().map(|name| tagged(name)).collect();
    let manifest = json!([{"Config": format!("{digest}.json"), "RepoTags": tags, "Layers": layers}]);
    append_text(&mut out, &format!("{digest}.json"), &config)?;
    append_text(&mut out, "manifest.json", manifest.to_string().as_bytes())?;
    out.into_inner().and_then(|out| out.flush()).map_err(Error::Write)?;
    stripped.id = format!("sha256:{digest}");
    Ok(stripped)
}

/// Of a layer, as an image's configuration has them.
struct Digests {
    before: String,
    now: String,
}

/// What was found in the tar, by name.
struct Image<'a> {
    texts: &'a HashMap<String, Vec<u8>>,
    digests: &'a HashMap<String, Digests>,
    links: &'a HashMap<String, String>,
}

impl Image<'_> {
    /// The configuration with the layers' new digests, and the layers' names.
    fn read(&self) -> Result<(Vec<u8>, Vec<String>), Error> {
        let wrong = |what: &str| Error::NotAnImage(what.to_owned());
        let manifest = self.json("manifest.json")?;
        let [image] = manifest.as_array().map(Vec::as_slice).unwrap_or_default() else {
            return Err(wrong("there is not exactly one image in it"));
        };
        let names = image["Layers"].as_array().ok_or_else(|| wrong("its manifest names no layers"))?;
        let config = image["Config"].as_str().ok_or_else(|| wrong("its manifest names no configuration"))?;
        self.is_named_rightly(config)?;
        let mut config = self.json(config)?;
        let ids = config.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut);
        let ids = ids.ok_or_else(|| wrong("its configuration lists no layers"))?;
        if ids.len() != names.len() {
            return Err(wrong("its manifest and its configuration differ in the number of layers"));
        }
        let mut layers = Vec::new();
        for (id, name) in ids.iter_mut().zip(names) {
            let name = name.as_str().unwrap_or_default();
            let found = self.links.get(name).map_or(name, String::as_str);
            let digests = self.digests.get(found);
            let digests =
                digests.ok_or_else(|| Error::NotAnImage(format!("its layer `{name}` is missing")))?;
            same(name, id.as_str().unwrap_or_default(), &digests.before)?;
            *id = digests.now.as_str().into();
            layers.push(found.to_owned());
        }
        Ok((config.to_string().into_bytes(), layers))
    }

    /// Engines name a configuration by its digest.
    fn is_named_rightly(&self, name: &str) -> Result<(), Error> {
        let last = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".json");
        let is_digest = last.len() == 64 && last.bytes().all(|byte| byte.is_ascii_hexdigit());
        match self.texts.get(name).filter(|_| is_digest) {
            Some(text) => same(name, last, &hex::encode(Sha256::digest(text))),
            None => Ok(()),
        }
    }

    fn json(&self, name: &str) -> Result<Value, Error> {
        let text = self.texts.get(name).ok_or_else(|| Error::NotAnImage(format!("`{name}` is missing")))?;
        serde_json::from_slice(text).map_err(|e| Error::NotAnImage(format!("`{name}`: {e}")))
    }
}

fn same(name: &str, expected: &str, found: &str) -> Result<(), Error> {
    let digest = |text: &str| text.trim_start_matches("sha256:").to_owned();
    let (name, expected, found) = (name.to_owned(), digest(expected), digest(found));
    if expected == found { Ok(()) } else { Err(Error::Damaged { name, expected, found }) }
}

/// With the tag that it stands for where it has none; the port of a registry is no tag.
fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// A tar (also one without any entry, and one of the oldest sort, without a magic number), or something compressed.
fn is_layer(first: &[u8]) -> bool {
    let is_tar = first.get(257..262) == Some(b"ustar") || has_checksum(first);
    let is_empty_tar = first.len() == 512 && first.iter().all(|&byte| byte == 0);
    is_tar || is_empty_tar || first.starts_with(&GZIP) || first.starts_with(&ZSTD)
}

/// Whether it is a header of tar, whose checksum counts itself as blanks.
fn has_checksum(block: &[u8]) -> bool {
    let mut header = tar::Header::new_old();
    if block.len() != header.as_bytes().len() {
        return false;
    }
    header.as_mut_bytes().copy_from_slice(block);
    let Ok(told) = header.cksum() else { return false };
    header.set_cksum();
    header.cksum().is_ok_and(|found| found == told)
}

/// Where a relative link leads to, as a name in the tar: `a/layer.tar` with `../b/layer.tar` is `b/layer.tar`.
fn beside(name: &str, target: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    let text = str::from_utf8(bytes).map_err(|_| Error::NotAnImage("a name in it is no UTF-8".to_owned()))?;
    Ok(text.trim_start_matches("./").to_owned())
}

fn append_text(out: &mut Builder<&mut dyn Write>, name: &str, text: &[u8]) -> Result<(), Error> {
    let mut header = Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    out.append_data(&mut header, name, text).map_err(Error::Write)
}
