//! Country codes.

/// ISO 3166-1 alpha-2, officially assigned codes, sorted.
const CODES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// For each first letter, a bit mask of the second letters.
#[allow(clippy::indexing_slicing)] // evaluated at compile time
const ASSIGNED: [u32; 26] = {
    let (codes, mut seconds, mut at) = (CODES.as_bytes(), [0; 26], 0);
    while at + 1 < codes.len() {
        seconds[(codes[at] - b'A') as usize] |= 1 << (codes[at + 1] - b'A');
        at += 3;
    }
    seconds
};

/// Whether `code` is an assigned code of ISO 3166-1 alpha-2.
pub fn is_assigned(code: &[u8]) -> bool {
    let [first, second] = code else { return false };
    let (first, second) = (first.wrapping_sub(b'A'), second.wrapping_sub(b'A'));
    second < 26 && ASSIGNED.get(usize::from(first)).is_some_and(|seconds| seconds >> second & 1 == 1)
}

/// The assigned codes, sorted.
pub fn assigned() -> impl Iterator<Item = &'static str> {
    CODES.split_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_and_forty_nine_codes() {
        let codes: Vec<&str> = CODES.split_whitespace().collect();
        assert_eq!(codes.len(), 249);
        assert!(codes.windows(2).all(|w| w.first() < w.last()));
        assert!(codes.iter().all(|code| is_assigned(code.as_bytes())));
        for bad in ["XX", "UK", "fr", "FRA", "", " F", "R ", "D A"] {
            assert!(!is_assigned(bad.as_bytes()), "{bad}");
        }
    }
}
