//! The halves of measurements between two nodes. One that serves says where it is ready as its event, and both answer with what they have seen.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use assay_bench::EngineError;
use assay_bench::net::{path, stream, tcp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{TaskContext, TaskError, result, spec};

/// TCP, the half that listens.
pub const TCP_SERVE: &str = "tcp-serve";
/// TCP, the half that connects.
pub const TCP_CONNECT: &str = "tcp-connect";
/// Requests over TCP, the half that answers.
pub const REQUESTS_SERVE: &str = "requests-serve";
/// Requests over TCP, the half that asks.
pub const REQUESTS_CONNECT: &str = "requests-connect";
/// The probe stream, the half that listens.
pub const STREAM_SERVE: &str = "stream-serve";
/// The probe stream, the half that connects.
pub const STREAM_CONNECT: &str = "stream-connect";
/// The reflector of round trips and of packets of a size.
pub const REFLECT: &str = "reflect";
/// Round trips.
pub const RTT: &str = "rtt";
/// Packets of a size.
pub const MTU: &str = "mtu";

pub(super) fn tcp_serve(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    serve(value, context, tcp::serve)
}

pub(super) fn tcp_connect(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    connect(value, context, tcp::connect)
}

pub(super) fn requests_serve(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    serve(value, context, tcp::latency::serve)
}

pub(super) fn requests_connect(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    connect(value, context, tcp::latency::connect)
}

pub(super) fn stream_serve(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    serve(value, context, stream::serve)
}

pub(super) fn stream_connect(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    connect(value, context, stream::connect)
}

pub(super) fn reflect(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    serve(value, context, path::reflector::serve)
}

pub(super) fn rtt(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    connect(value, context, path::rtt::connect)
}

pub(super) fn mtu(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    connect(value, context, path::mtu::connect)
}

type Serve<S, R> = fn(&S, &AtomicBool, &mut dyn FnMut(SocketAddr)) -> Result<R, EngineError>;

fn serve<S: DeserializeOwned, R: Serialize>(value: Value, context: &TaskContext<'_>, half: Serve<S, R>) -> Result<Value, TaskError> {
    let asked: S = spec(value)?;
    let mut unsaid = None;
    let seen = half(&asked, context.stop().flag(), &mut |address| unsaid = context.emit(&address).err());
    match unsaid {
        Some(error) => Err(error),
        None => result(&seen.map_err(|error| TaskError::failed(&error))?),
    }
}

fn connect<S: DeserializeOwned, R: Serialize>(
    value: Value,
    context: &TaskContext<'_>,
    half: fn(&S, &AtomicBool) -> Result<R, EngineError>,
) -> Result<Value, TaskError> {
    let asked: S = spec(value)?;
    result(&half(&asked, context.stop().flag()).map_err(|error| TaskError::failed(&error))?)
}
