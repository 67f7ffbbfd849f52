//! A reader of DER (X.690 10): the few shapes of public keys and certificates, lengths in their shortest form, nothing copied.

/// `INTEGER`.
pub(crate) const INTEGER: u8 = 0x02;
/// `BIT STRING`.
pub(crate) const BITS: u8 = 0x03;
/// `NULL`.
pub(crate) const NULL: u8 = 0x05;
/// `OBJECT IDENTIFIER`.
pub(crate) const OID: u8 = 0x06;
/// `SEQUENCE`.
pub(crate) const SEQUENCE: u8 = 0x30;

/// What is still to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Reads these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next value's tag.
    pub(crate) fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value's content, if it has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(*first) {
            short @ ..=0x7f => (short, rest),
            // One to three bytes of length: up to 16 MiB, far beyond what is given here.
            long @ 0x81..=0x83 => {
                let (length, rest) = rest.split_at_checked(long - 0x80)?;
                let value = length.iter().fold(0, |value, byte| value << 8 | usize::from(*byte));
                if length.first() == Some(&0) || value < 0x80 {
                    return None;
                }
                (value, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        if *found != tag {
            return None;
        }
        self.0 = rest;
        Some(content)
    }

    /// The next value with its tag and length, if it has this tag.
    pub(crate) fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.take(tag)?;
        before.get(..before.len() - self.0.len())
    }

    /// The next value, which is a sequence.
    pub(crate) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// The next value, which is a bit string of whole bytes.
    pub(crate) fn bits(&mut self) -> Option<&'a [u8]> {
        match self.take(BITS)?.split_first()? {
            (0, bytes) => Some(bytes),
            _ => None,
        }
    }

    /// That nothing follows.
    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_form_is_der() {
        for (bytes, content) in [
            (&[0x02, 0x01, 0x07][..], Some(&[7][..])),
            (&[0x02, 0x00], Some(&[])),
            (&[0x02, 0x81, 0x01, 0x07], None),
            (&[0x02, 0x82, 0x00, 0x80], None),
            (&[0x02, 0x80, 0x07, 0x00, 0x00], None),
            (&[0x02, 0x84, 0x00, 0x00, 0x00, 0x01, 0x07], None),
            (&[0x02, 0x02, 0x07], None),
            (&[0x03, 0x01, 0x07], None),
            (&[0x02], None),
            (&[], None),
        ] {
            assert_eq!(Der::new(bytes).take(INTEGER), content, "{bytes:02x?}");
        }
        let long = [&[0x02, 0x81, 0x80][..], &[1; 0x80]].concat();
        assert_eq!(Der::new(&long).take(INTEGER), Some(&[1; 0x80][..]));
        assert_eq!(Der::new(&[0x03, 0x02, 0x00, 0x07]).bits(), Some(&[7][..]));
        assert_eq!(Der::new(&[0x03, 0x02, 0x01, 0x06]).bits(), None, "not whole bytes");
    }
}
