//! Damage to parquet files, by a generator with a seed.

/// A small, portable generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `n`; 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Numbers that break careless arithmetic, as fixed and as variable-length integers.
pub const HOSTILE: [&[u8]; 8] = [
    &[0xff, 0xff, 0xff, 0x7f],
    &[0x00, 0x00, 0x00, 0x80],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xfe, 0xff, 0xff, 0xff, 0x0f],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x00, 0x00, 0x00, 0x00],
];

/// A damaged copy and the kind of damage.
pub fn damage(good: &[u8], random: &mut Random) -> (Vec<u8>, &'static str) {
    let mut bytes = good.to_vec();
    let footer = 8 + u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().unwrap()) as usize;
    let in_footer = good.len() - 1 - random.below(footer);
    let anywhere = random.below(good.len());
    let overwrite = |bytes: &mut [u8], at: usize, what: &[u8]| {
        let room = (bytes.len() - at).min(what.len());
        bytes[at..at + room].copy_from_slice(&what[..room]);
    };
    let what = match random.below(12) {
        0 => {
            bytes.truncate(anywhere);
            "cut short"
        }
        1 => {
            let end = (anywhere + 1 + random.below(40)).min(good.len());
            bytes.drain(anywhere..end);
            "bytes removed"
        }
        2 => {
            let from = random.below(good.len());
            let copy = good[from..(from + 1 + random.below(60)).min(good.len())].to_vec();
            bytes.splice(anywhere..anywhere, copy);
            "bytes inserted"
        }
        3 | 4 => {
            bytes[anywhere] ^= 1 << random.below(8);
            "a bit flipped"
        }
        5 => {
            bytes[in_footer] ^= 1 << random.below(8);
            "a bit of the footer flipped"
        }
        6 => {
            bytes[anywhere] = random.next() as u8;
            "a byte replaced"
        }
        7 => {
            bytes[in_footer] = random.next() as u8;
            "a byte of the footer replaced"
        }
        8 => {
            overwrite(&mut bytes, anywhere, HOSTILE[random.below(HOSTILE.len())]);
            "a hostile number"
        }
        9 => {
            overwrite(&mut bytes, in_footer, HOSTILE[random.below(HOSTILE.len())]);
            "a hostile number in the footer"
        }
        10 => {
            let length = bytes.len() - 8;
            let length_claims = [0, 1, u32::MAX, i32::MAX as u32, good.len() as u32, random.next() as u32];
            overwrite(&mut bytes, length, &length_claims[random.below(length_claims.len())].to_le_bytes());
            "another length of the footer"
        }
        _ => {
            for _ in 0..2 + random.below(8) {
                let at = random.below(good.len());
                bytes[at] = random.next() as u8;
            }
            "several bytes replaced"
        }
    };
    (bytes, what)
}
