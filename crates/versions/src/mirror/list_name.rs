//! The names of apt's list files: what `apt-get update --print-uris` shows beside a URL, and what stands in `/var/lib/apt/lists`.

/// What apt writes as `%xx`, besides blanks, control characters and all that is not ASCII.
const QUOTED: &[u8] = br#"\|{}[]<>"^~_=!@#$%^&*"#;

/// The name under which apt keeps what it fetches from a URL: without scheme, user and password, `/` written as `_`, and what is odd as `%xx`. `None` for
/// what is no URL with a path or host (`http:x`), or has a port that is no number.
///
/// The URL is the one that apt speaks of: in `sources.list` (not in deb822 files) apt reads `%2B` as `+` before anything else.
/// (apt 2.6; the rows of the test are its answers.)
///
/// ```
/// let name = vcache_versions::list_name("https://me:secret@mirror.example:8443/debian/dists/trixie/InRelease");
/// assert_eq!(name.as_deref(), Some("mirror.example:8443_debian_dists_trixie_InRelease"));
/// ```
pub fn list_name(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    let is_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if scheme.is_empty() || !scheme.bytes().all(is_scheme) || !rest.starts_with('/') {
        return None;
    }
    let mut name = String::with_capacity(rest.len());
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            quote(&mut name, &host(authority)?);
            path
        }
        None => rest,
    };
    quote(&mut name, path);
    Some(name).filter(|name| !name.is_empty())
}

/// The key in `versions-mirror` of the suite whose InRelease file stands at this URL: its list file's name without `_InRelease`. `None` for any other file.
///
/// ```
/// let key = vcache_versions::mirror_key("http://mirror.example/debian/dists/trixie/InRelease");
/// assert_eq!(key.as_deref(), Some("mirror.example_debian_dists_trixie"));
/// ```
pub fn mirror_key(url: &str) -> Option<String> {
    let name = list_name(url)?;
    name.strip_suffix("_InRelease").filter(|key| !key.is_empty()).map(str::to_owned)
}

/// Host and port as apt writes them in a name: no user, no brackets around an address, no port 0.
fn host(authority: &str) -> Option<String> {
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port),
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port {
        "" | ":" => 0,
        port => port.strip_prefix(':')?.parse::<u16>().ok()?,
    };
    Some(if port == 0 { host.to_owned() } else { format!("{host}:{port}") })
}

fn quote(name: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'/' => name.push('_'),
            _ if !byte.is_ascii_graphic() || QUOTED.contains(&byte) => name.push_str(&format!("%{byte:02x}")),
            _ => name.push(char::from(byte)),
        }
    }
}
