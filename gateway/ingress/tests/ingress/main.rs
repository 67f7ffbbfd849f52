//! What the gate promises, from outside: vectors, attacks, activities, the corpus.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test data")]

mod activities;
mod attacks;
mod batches;
mod bitbucket;
mod corpus;
mod discord;
mod gate;
mod gitea;
mod gitlab;
mod hmac;
mod line;
mod linear;
mod messaging;
mod meta;
mod mismatch;
mod own;
mod properties;
mod schema;
mod seeds;
mod sending;
mod shopify;
mod standard_webhooks;
mod stripe;
mod teams_outgoing;
mod telegram;
mod twilio;
mod vectors;
mod webex;
mod whatsapp;
mod zoom;
