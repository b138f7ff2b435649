//! Countries and channels of the sample. The channels are fictitious.

use super::cube::mix;

/// ISO 3166-1 alpha-2 codes, roughly by number of app users; the rest is in alphabetical order.
const COUNTRIES: &str = "\
    GB FR IT US DE ES BR JP IN MX CA AU KR NL PL TR SE CH BE AT ID TH VN PH MY SG TW HK AR CL CO PE ZA NG EG SA AE IL \
    UA RO CZ HU GR PT DK FI NO IE NZ PK BD \
    AD AF AG AI AL AM AO AQ AS AW AX AZ BA BB BF BG BH BI BJ BL BM BN BO BQ BS BT BV BW BY BZ CC CD CF CG CI CK CM CN CR \
    CU CV CW CX CY DJ DM DO DZ EC EE EH ER ET FJ FK FM FO GA GD GE GF GG GH GI GL GM GN GP GQ GS GT GU GW GY HM HN HR HT \
    IM IO IQ IR IS JE JM JO KE KG KH KI KM KN KP KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM \
    MN MO MP MQ MR MS MT MU MV MW MZ NA NC NE NF NI NP NR NU OM PA PF PG PM PN PR PS PW PY QA RE RS RU RW SB SC SD SH SI \
    SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TJ TK TL TM TN TO TT TV TZ UG UM UY UZ VA VC VE VG VI VU WF WS YE \
    YT ZM ZW";

/// A country, or the total over all.
pub(super) struct Country {
    pub(super) code: &'static str,
    /// 0 for the largest; `None` for the total.
    pub(super) rank: Option<u64>,
}

/// The codes of all countries, the largest first.
pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    COUNTRIES.split_whitespace()
}

/// The total and the `parts` largest countries, by code. The total comes first, so that it covers the
/// rows of a day that is cut short.
pub(super) fn countries(parts: u64) -> Vec<Country> {
    let mut countries: Vec<_> =
        codes().zip(0..parts).map(|(code, rank)| Country { code, rank: Some(rank) }).collect();
    countries.sort_unstable_by_key(|c| c.code);
    countries.insert(0, Country { code: "ALL", rank: None });
    countries
}

/// A marketing channel.
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) token: String,
    pub(super) android: bool,
    pub(super) ios: bool,
    pub(super) subtrackers: bool,
}

/// Fictitious channels by popularity, with the letters of their systems: `a`ndroid, `i`os.
const CHANNELS: [(&str, &str); 26] = [
    ("Organic", "ai"),
    ("Search Ads", "ai"),
    ("App Campaigns", "ai"),
    ("Partner Network", "ai"),
    ("App Store Search", "i"),
    ("App Campaigns (old account)", "ai"),
    ("Social Video", "ai"),
    ("Social Stories", "ai"),
    ("Newsletter", "ai"),
    ("Landing Page", "ai"),
    ("Invite a Friend", "ai"),
    ("Play Store Banner", "a"),
    ("Retargeting", "ai"),
    ("Preinstalled", "a"),
    ("Smart Banner", "i"),
    ("Podcast", "ai"),
    ("Cashback", "ai"),
    ("TV Spot", "ai"),
    ("Campus Tour", "ai"),
    ("Press", "ai"),
    ("QR Poster", "ai"),
    ("Chat Sticker", "i"),
    ("Banner Display", "ai"),
    ("Survey", "ai"),
    ("Device Import", "ai"),
    ("Unattributed", "a"),
];
/// The first `count` channels; numbered partners follow the named ones.
pub(super) fn channels(count: u64) -> Vec<Channel> {
    let named = CHANNELS.iter().map(|(name, systems)| ((*name).to_owned(), *systems));
    let partners = (1u32..).map(|n| {
        let systems = if n % 7 == 3 {
            "i"
        } else if n % 7 == 5 {
            "a"
        } else {
            "ai"
        };
        (format!("Partner {n:05}"), systems)
    });
    named
        .chain(partners)
        .zip(0..count)
        .map(|((name, systems), n)| Channel {
            name,
            token: token(n),
            android: systems.contains('a'),
            ios: systems.contains('i'),
            subtrackers: !matches!(n, 0 | 10 | 19),
        })
        .collect()
}

/// Seven characters of base 36.
fn token(n: u64) -> String {
    let mut rest = mix(n ^ 0x0074_6f6b_656e);
    (0..7)
        .map(|_| {
            let digit = u32::try_from(rest % 36).unwrap_or(0);
            rest /= 36;
            char::from_digit(digit, 36).unwrap_or('0')
        })
        .collect()
}
