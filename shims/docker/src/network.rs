//! Where a server must listen so that a build on one of docker's networks finds it.
//!
//! docker tells the gateway of the network, and the kernel which of our own addresses leads there. On the daemon's host that is the gateway itself; in a
//! container that drives its host's daemon (a slave container with its sibling) it is the container's own address. Docker lets no packet from one bridge
//! to another, so a build on another bridge than that container's would wait in vain, and does without.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Stdio;

use vcache_shim::Host;
use vcache_shim::real_tool::RealTool;

use crate::invocation::Build;

/// The address for a build on the host's network, or on the network of this name.
///
/// # Errors
/// What to tell the user of a network that can't be inspected, or that docker keeps apart from the one that we are on.
pub(crate) fn address(
    host: &Host,
    tool: &RealTool,
    build: &Build,
    network: Option<&str>,
) -> Result<IpAddr, String> {
    let docker = |words: &[&str]| ask(host, tool, build, words);
    let told = docker(&["inspect", "--format", ADDRESSES, network.unwrap_or("bridge")]);
    let gateway = gateway_in(&told);
    let own = gateway.and_then(toward);
    match (network, own) {
        // Without a bridge there is nothing to tell a container by.
        (None, own) if own == gateway => Ok(Ipv4Addr::LOCALHOST.into()),
        (None, Some(own)) => Ok(own),
        (Some(name), Some(own)) if !has(&told, own) => {
            let bridges = docker(&["ls", "--quiet", "--filter", "driver=bridge"]);
            let words = ["inspect", "--format", ADDRESSES].into_iter().chain(bridges.split_whitespace());
            if has(&docker(&words.collect::<Vec<_>>()), own) {
                return Err(format!(
                    "--network {name} is kept apart from this container's; use --network host"
                ));
            }
            Ok(own)
        }
        (Some(_), Some(own)) => Ok(own),
        (_, None) => Err(format!("--network {}", network.unwrap_or("host"))),
    }
}

const ADDRESSES: &str = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}} {{end}}";

/// What `docker network` says; nothing where it fails.
fn ask(host: &Host, tool: &RealTool, build: &Build, words: &[&str]) -> String {
    let mut all = build.globals.clone();
    all.push("network".into());
    all.extend(words.iter().map(Into::into));
    let told = tool.command(host, &all).stdin(Stdio::null()).stderr(Stdio::null()).output();
    told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default()
}

/// True where one of the subnets that docker tells has the address.
fn has(told: &str, address: IpAddr) -> bool {
    // A gateway may be written with a prefix, and stands in its subnet.
    told.split_whitespace().filter_map(|word| word.split_once('/')).any(|(first, prefix)| {
        let prefix = prefix.parse().unwrap_or(u32::MAX);
        match (first.parse(), address) {
            (Ok(IpAddr::V4(first)), IpAddr::V4(address)) if prefix <= 32 => {
                (u32::from(first) ^ u32::from(address)).checked_shr(32 - prefix).unwrap_or(0) == 0
            }
            (Ok(IpAddr::V6(first)), IpAddr::V6(address)) if prefix <= 128 => {
                (u128::from(first) ^ u128::from(address)).checked_shr(128 - prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    })
}

/// The first gateway; of a network that names none (the default bridge before its first container) the first address of its subnet, which is
/// what docker gives to it. Docker writes some gateways as `172.18.0.1/16`.
fn gateway_in(told: &str) -> Option<IpAddr> {
    let mut words = told.split_whitespace();
    let first = words.find_map(|word| {
        let (address, prefix) = word.split_once('/').unwrap_or((word, ""));
        Some((address.parse::<IpAddr>().ok()?, !prefix.is_empty()))
    });
    match first? {
        (IpAddr::V4(address), true) if address.octets()[3] == 0 => {
            Some(Ipv4Addr::from(u32::from(address) + 1).into())
        }
        (address, _) => Some(address),
    }
}

/// Our own address toward another one. Connecting a UDP socket sends nothing.
fn toward(other: IpAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((other, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways() {
        for (told, gateway) in [
            ("172.18.0.1 172.18.0.0/16 \n", Some("172.18.0.1")),
            (" 172.17.0.0/16 \n", Some("172.17.0.1")),
            ("172.19.0.1/16 172.19.0.0/16", Some("172.19.0.1")),
            ("\n", None),
        ] {
            assert_eq!(gateway_in(told), gateway.map(|g| g.parse().unwrap()), "{told}");
        }
    }

    #[test]
    fn subnets() {
        let told = "172.18.0.1/16 172.18.0.0/16  10.1.2.0/25 fd00:1::/64 \n";
        for (address, expected) in [
            ("172.18.9.9", true),
            ("172.17.0.2", false),
            ("10.1.2.127", true),
            ("10.1.2.128", false),
            ("fd00:1::5", true),
            ("fd00:2::5", false),
        ] {
            assert_eq!(has(told, address.parse().unwrap()), expected, "{address}");
        }
        assert!(has("0.0.0.0/0", Ipv4Addr::LOCALHOST.into()));
        assert!(!has("", Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn loopback_is_reached_from_loopback() {
        assert_eq!(toward(Ipv4Addr::LOCALHOST.into()), Some(Ipv4Addr::LOCALHOST.into()));
    }
}
