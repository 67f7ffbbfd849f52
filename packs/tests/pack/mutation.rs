//! One pack has one byte string: change any bit, cut it anywhere, add anything, and it does not open.

use crate::sample;
use bytes::Bytes;
use tollgate_packs::{Trust, open};

#[test]
fn no_flipped_bit_opens_at_any_offset() {
    let (bytes, key) = sample::signed();
    for allow_unsigned in [false, true] {
        let trust = Trust {
            keys: std::slice::from_ref(&key),
            allow_unsigned,
        };
        assert!(open(&bytes, trust).is_ok());
        for offset in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[offset] ^= 1 << bit;
                assert!(
                    open(&Bytes::from(flipped), trust).is_err(),
                    "opens with bit {bit} of byte {offset} flipped"
                );
            }
        }
    }
}

#[test]
fn no_flipped_bit_opens_without_a_signature_either() {
    let bytes = Bytes::from(sample::unsigned());
    let trust = Trust {
        keys: &[],
        allow_unsigned: true,
    };
    assert!(open(&bytes, trust).is_ok());
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[offset] ^= 1 << bit;
            assert!(
                open(&Bytes::from(flipped), trust).is_err(),
                "opens with bit {bit} of byte {offset} flipped"
            );
        }
    }
}

#[test]
fn nothing_opens_that_was_cut_or_added_to() {
    let (bytes, key) = sample::signed();
    let trust = Trust {
        keys: std::slice::from_ref(&key),
        allow_unsigned: true,
    };
    for len in 0..bytes.len() {
        assert!(open(&bytes.slice(..len), trust).is_err(), "opens with its first {len} bytes alone");
        assert!(
            open(&bytes.slice(bytes.len() - len..), trust).is_err(),
            "opens with its last {len} bytes alone"
        );
    }
    for byte in 0..=u8::MAX {
        assert!(
            open(&[&bytes[..], &[byte]].concat().into(), trust).is_err(),
            "opens with {byte} after it"
        );
        assert!(
            open(&[&[byte], &bytes[..]].concat().into(), trust).is_err(),
            "opens with {byte} before it"
        );
    }
    assert!(open(&[&bytes[..], &bytes[..]].concat().into(), trust).is_err(), "opens twice");
}
