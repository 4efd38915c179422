//! The network's measuring parts between network namespaces that the tests make themselves (root, iproute2 and iperf3 are needed): links that go down, links
//! that swallow frames, routers and bridges that are too narrow, and a stand-in for a bond.

mod bond;
mod namespaces;
mod path;
mod stream;
