//! Tollgate: the edge gateway. Takes webhooks and HTTP from the world, lets in only what it can verify, hands each verified delivery to a
//! worker in a sandbox of its own.
//!
//! In reading order: [`gateway`] (built from a manifest, started, drained), `listen` (sockets to connections), `edge` (the way of one
//! request, on one page), and what that way calls: `route`, `identity`, `keys` (others' public keys), `rate`, `admit`, `dispatch`, [`respond`]. `timer` lets in
//! what nobody calls, `webchat` speaks with browsers, `egress` is the workers' own way out, `roots` whom it
//! and `keys` believe. Beside it: [`secrets`], `admin`, `metrics`, `access`, `trace`,
//! `tasks`, `causes`; [`cli`], [`demo`] and [`logging`] are what an operator sees.
#![forbid(unsafe_code)]

pub mod cli;
pub mod demo;
pub mod gateway;
pub mod logging;
pub mod respond;
pub mod secrets;

mod access;
mod admin;
mod admit;
mod causes;
mod dispatch;
mod edge;
mod egress;
mod gate;
mod hop;
mod identity;
mod keys;
mod listen;
mod metrics;
mod rate;
mod request_id;
mod roots;
mod route;
mod snapshot;
mod tasks;
mod timer;
mod trace;
mod webchat;
