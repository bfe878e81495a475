//! Where a server must listen so that a build on one of docker's networks finds it.
//!
//! docker tells the gateway of the network, and the kernel which of our own addresses leads there. On the daemon's host that is the gateway itself; in a
//! container that drives its host's daemon (a slave container with its sibling) it is the container's own address.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Stdio;

use vcache_shim::Host;
use vcache_shim::real_tool::RealTool;

use crate::invocation::Build;

/// The address for a build on the host's network, or on the network of this name.
pub(crate) fn address(host: &Host, tool: &RealTool, build: &Build, network: Option<&str>) -> Option<IpAddr> {
    let gateway = gateway(host, tool, build, network.unwrap_or("bridge"));
    let own = gateway.and_then(toward);
    match network {
        Some(_) => own,
        // Without a bridge there is nothing to tell a container by.
        None if own == gateway => Some(Ipv4Addr::LOCALHOST.into()),
        None => own,
    }
}

fn gateway(host: &Host, tool: &RealTool, build: &Build, network: &str) -> Option<IpAddr> {
    let mut words = build.globals.clone();
    let format = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}} {{end}}";
    words.extend(["network", "inspect", "--format", format, network].map(Into::into));
    let told = tool.command(host, &words).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    gateway_in(&String::from_utf8_lossy(&told.stdout))
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
    fn loopback_is_reached_from_loopback() {
        assert_eq!(toward(Ipv4Addr::LOCALHOST.into()), Some(Ipv4Addr::LOCALHOST.into()));
    }
}
