//! BOOLEAN: bit-packed (PLAIN) or hybrid RLE.

use super::hybrid_rle::HybridRleDecoder;
use crate::Result;
use crate::parquet::{Encoding, Physical};

/// A decoder of the `count` booleans that `bytes` hold, as ids: 0 is false, 1 is true.
///
/// # Errors
/// `Unsupported` for other encodings, `Format` when the bytes are too few.
pub fn booleans(encoding: Encoding, bytes: &[u8], count: u32) -> Result<HybridRleDecoder> {
    match encoding {
        // Packed from the least significant bit up.
        Encoding::Plain if bytes.len() >= count.div_ceil(8) as usize => {
            Ok(HybridRleDecoder::packed(0, 1, 2, count))
        }
        // The length precedes the runs in V2 pages too: Encodings.md, "RLE".
        Encoding::Rle if count == 0 || is_whole(bytes) => HybridRleDecoder::new(4, 1, 2, count),
        Encoding::Plain | Encoding::Rle => Err(super::short(bytes.len(), count)),
        _ => Err(super::unsupported(encoding, Physical::Boolean)),
    }
}

/// Whether as many bytes follow the length as it says.
fn is_whole(bytes: &[u8]) -> bool {
    let split = bytes.split_first_chunk::<4>();
    split.is_some_and(|(len, rest)| u32::from_le_bytes(*len) as usize <= rest.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn all(encoding: Encoding, bytes: &[u8], count: u32) -> Result<Vec<u16>> {
        let mut out = vec![7; count as usize];
        booleans(encoding, bytes, count)?.read_u16(bytes, &mut out)?;
        Ok(out)
    }

    #[test]
    fn both_encodings() {
        let expected = [1, 0, 1, 1, 0, 0, 0, 0, 1];
        assert_eq!(all(Encoding::Plain, &[0b1101, 1], 9).unwrap(), expected);
        assert!(all(Encoding::Plain, &[0b1101], 9).is_err());
        // Eight packed ones, then one in a run.
        assert_eq!(all(Encoding::Rle, &[4, 0, 0, 0, 3, 0b1101, 2, 1], 9).unwrap(), expected);
        assert!(all(Encoding::Rle, &[5, 0, 0, 0, 3, 0b1101, 2, 1], 9).is_err());
        assert!(all(Encoding::Rle, &[2, 0, 0, 0, 3, 0b1101], 9).is_err());
        assert!(all(Encoding::DeltaBinaryPacked, &[], 0).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            tail in prop::collection::vec(any::<u8>(), 0..60), count in 0u32..200,
        ) {
            let mut bytes = u32::try_from(tail.len()).unwrap().to_le_bytes().to_vec();
            bytes.extend(tail);
            for encoding in [Encoding::Plain, Encoding::Rle] {
                if let Ok(values) = all(encoding, &bytes, count) {
                    prop_assert!(values.iter().all(|value| *value < 2));
                }
            }
        }
    }
}
