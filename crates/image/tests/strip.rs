//! Images as engines save them, with the cache in their layers, and images that are none.

use std::io::{Read, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Archive, Builder, EntryType, Header};
use vcache_image::{Error, Stripped, strip};

const FOLDER: &str = "vcache-for-this-build";

/// Name, and content; folders end with `/`.
fn layer(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_mtime(7);
        if name.ends_with('/') {
            header.set_entry_type(EntryType::Directory);
        }
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn id(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A tar with these files.
fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<_> = layers.iter().map(|layer| id(layer)).collect();
    json!({"config": {"Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids": ids}})
        .to_string()
        .into_bytes()
}

/// As engines before Docker 25 save it.
fn image(layers: &[&[u8]]) -> Vec<u8> {
    let names: Vec<_> = (0..layers.len()).map(|at| format!("{at}/layer.tar")).collect();
    let config = config(layers);
    let manifest = json!([{"Config": "c.json", "RepoTags": ["old:1"], "Layers": names}]).to_string();
    let mut files: Vec<(&str, &[u8])> =
        names.iter().map(String::as_str).zip(layers.iter().copied()).collect();
    files.extend([("c.json", config.as_slice()), ("manifest.json", manifest.as_bytes()), ("0/json", b"{}")]);
    packed(&files)
}

fn stripped(image: &[u8]) -> Result<(Stripped, Vec<u8>), Error> {
    let mut out = Vec::new();
    strip(&mut &image[..], &mut out, FOLDER, &["new:1".into(), "host:5000/new".into()])
        .map(|stripped| (stripped, out))
}

fn file(image: &[u8], name: &str) -> Vec<u8> {
    for entry in Archive::new(image).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path_bytes() == name.as_bytes() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            return content;
        }
    }
    panic!("no {name}");
}

/// Checks what an engine checks when it loads it, and gives the layers.
fn loaded(image: &[u8], id_expected: &str) -> Vec<Vec<u8>> {
    let manifest: Value = serde_json::from_slice(&file(image, "manifest.json")).unwrap();
    assert_eq!(manifest[0]["RepoTags"], json!(["new:1", "host:5000/new:latest"]));
    let config = file(image, manifest[0]["Config"].as_str().unwrap());
    assert_eq!(id(&config), id_expected);
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["config"]["Env"][0], "A=b");
    let names = manifest[0]["Layers"].as_array().unwrap();
    let layers: Vec<_> = names.iter().map(|name| file(image, name.as_str().unwrap())).collect();
    let ids: Vec<_> = layers.iter().map(|layer| id(layer)).collect();
    assert_eq!(config["rootfs"]["diff_ids"], json!(ids));
    layers
}

#[test]
fn the_folder_goes_and_the_rest_stays_to_the_byte() {
    let long = format!("usr/{}/file", "x".repeat(150));
    let base = layer(&[("etc/", ""), ("etc/passwd", "root")]);
    let shims = layer(&[
        ("usr/local/sbin/wget", "shim"),
        ("usr/local/sbin/vcache-for-this-build/", ""),
        ("usr/local/sbin/vcache-for-this-build/blobs/a", "cached"),
        (&long, "kept"),
        ("usr/local/sbin/vcache-builder", "another name"),
        ("usr/vcache-for-this-build", "a file"),
    ]);
    let run = layer(&[
        ("usr/local/sbin/vcache-for-this-build/blobs/b", "more"),
        ("usr/.wh.vcache-for-this-build", ""),
    ]);
    let (facts, out) = stripped(&image(&[&base, &shims, &run])).unwrap();
    let bytes = facts.bytes;
    assert_eq!((facts.layers, bytes), (2, 512 + 1024 + 1024 + 512));
    let layers = loaded(&out, &facts.id);
    assert_eq!(layers[0], base, "a layer without the folder keeps its digest");
    let kept = [
        ("usr/local/sbin/wget", "shim"),
        (&long, "kept"),
        ("usr/local/sbin/vcache-builder", "another name"),
        ("usr/vcache-for-this-build", "a file"),
    ];
    assert_eq!(layers[1], layer(&kept));
    assert_eq!(layers[2], layer(&[]));
    assert!(!out.windows(6).any(|window| window == b"cached"));
}

#[test]
fn compressed_layers_and_shared_ones_are_read() {
    let plain = layer(&[("a", "1"), ("vcache-for-this-build/x", "2")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let empty = vec![0; 1024];
    let config = config(&[&plain, &plain, &empty, &plain]);
    let blobs = |name: &str| format!("blobs/sha256/{name}");
    let names: Vec<_> = ["g", "z", "e", "l"].map(blobs).to_vec();
    let manifest = json!([{"Config": blobs("c"), "RepoTags": null, "Layers": names}]).to_string();
    let mut tar = Builder::new(packed(&[
        ("blobs/sha256/c", &config),
        ("manifest.json", manifest.as_bytes()),
        ("index.json", b"{}"),
        ("blobs/sha256/g", &gzip),
        ("blobs/sha256/z", &zstd),
        ("blobs/sha256/e", &empty),
    ]));
    // Behind what is there, less the end.
    let length = tar.get_ref().len() - 1024;
    tar.get_mut().truncate(length);
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "blobs/sha256/l", "../../blobs/sha256/g").unwrap();
    let (facts, out) = stripped(&tar.into_inner().unwrap()).unwrap();
    let layers = loaded(&out, &facts.id);
    let expected = layer(&[("a", "1")]);
    assert_eq!(layers, [expected.clone(), expected.clone(), empty, expected]);
}

#[test]
fn what_is_damaged_or_no_image_is_refused() {
    let one = layer(&[("a", &"1".repeat(9000))]);
    let whole = image(&[&one]);
    for length in [0, 100, 512, 5000, whole.len() - 2000] {
        assert!(stripped(&whole[..length]).is_err(), "{length}");
    }
    let names = |config: &[u8], manifest: &Value| {
        stripped(&packed(&[
            ("0", &one),
            ("c.json", config),
            ("manifest.json", manifest.to_string().as_bytes()),
        ]))
    };
    let good = config(&[&one]);
    let manifest = |layers: Value| json!([{"Config": "c.json", "Layers": layers}]);
    assert!(names(&good, &manifest(json!(["0"]))).is_ok());
    for (config, manifest) in [
        (&good[..], json!([])),
        (&good, json!({"Config": "c.json"})),
        (&good, json!([{"Config": "../c.json", "Layers": ["0"]}])),
        (&good, manifest(json!(["0", "0"]))),
        (&good, manifest(json!(["1"]))),
        (&good, manifest(json!([7]))),
        (b"{}", manifest(json!(["0"]))),
        (b"not json", manifest(json!(["0"]))),
    ] {
        assert!(matches!(names(config, &manifest), Err(Error::NotAnImage(_))), "{manifest}");
    }
}

#[test]
fn a_link_to_what_goes_is_refused() {
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Link);
    header.set_size(0);
    tar.append_link(&mut header, "kept", "usr/vcache-for-this-build/blobs/a").unwrap();
    let layer = tar.into_inner().unwrap();
    assert!(matches!(stripped(&image(&[&layer])), Err(Error::Unsupported(_))));
}

#[test]
fn a_truncated_layer_is_refused() {
    let one = layer(&[("a", &"1".repeat(9000))]);
    for length in [512, 1024, 9000] {
        assert!(stripped(&image(&[&one[..length]])).is_err(), "{length}");
    }
}

#[test]
fn a_layer_of_the_oldest_format_is_one() {
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_old();
    header.set_size(1);
    header.set_mode(0o644);
    tar.append_data(&mut header, "a", &b"x"[..]).unwrap();
    let old = tar.into_inner().unwrap();
    assert_ne!(old.get(257..262), Some(&b"ustar"[..]));
    let with_cache =
        layer(&[("s/", ""), ("s/vcache-for-this-build/", ""), ("s/vcache-for-this-build/x", "y")]);
    let (stripped, _) = stripped(&image(&[&old, &with_cache])).unwrap();
    assert_eq!(stripped.layers, 1);
}

#[test]
fn content_that_is_not_what_was_announced_is_refused() {
    let one = layer(&[("a", "1"), ("s/vcache-for-this-build/x", "2")]);
    let other = layer(&[("a", "7"), ("s/vcache-for-this-build/x", "2")]);
    let pack = |bytes: &[u8], name: &str| {
        let config = config(&[&one]);
        let manifest = json!([{"Config": name, "RepoTags": null, "Layers": ["0"]}]).to_string();
        packed(&[("0", bytes), (name, &config), ("manifest.json", manifest.as_bytes())])
    };
    let right = id(&config(&[&one])).replace("sha256:", "") + ".json";
    assert!(stripped(&pack(&one, &right)).is_ok());
    assert!(matches!(stripped(&pack(&other, &right)), Err(Error::Damaged { name, .. }) if name == "0"));
    let wrong = "0".repeat(64) + ".json";
    assert!(matches!(stripped(&pack(&one, &wrong)), Err(Error::Damaged { name, .. }) if name == wrong));
}
