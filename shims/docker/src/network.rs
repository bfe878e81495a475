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
    let format = "{{range .IPAM.Config}}{{.Gateway}} {{end}}";
    words.extend(["network", "inspect", "--format", format, network].map(Into::into));
    let told = tool.command(host, &words).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let told = String::from_utf8_lossy(&told.stdout);
    // Docker writes some of them as `172.18.0.1/16`.
    told.split_whitespace().find_map(|word| word.split('/').next()?.parse().ok())
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
    fn loopback_is_reached_from_loopback() {
        assert_eq!(toward(Ipv4Addr::LOCALHOST.into()), Some(Ipv4Addr::LOCALHOST.into()));
    }
}
