//! Series for charts, as plain columns: every list of a chart is as long as its axis.

/// Series for charts.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Charts {
    /// The published share, per country.
    pub shares: Shares,
    /// Single weeks, which drift is judged by, per country.
    pub weeks: Weeks,
    /// Rows per country and day.
    pub coverage: Coverage,
    /// Users per channel and week, all countries together.
    pub mix: Mix,
}

/// The published share over time.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Shares {
    /// The column: `share_organic_p4w`.
    pub column: String,
    /// Weeks `yyyy_ww`, or days `yyyy-mm-dd`, without a gap.
    pub steps: Vec<String>,
    /// Whether each step had ended with the data; the last one may be partial.
    pub complete: Vec<bool>,
    /// Most users first.
    pub countries: Vec<CountryShares>,
    /// Countries that were left out, the smallest ones.
    pub left_out: usize,
}

/// The share of a country; a value a step.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CountryShares {
    /// Country.
    pub country: String,
    /// Organic users in the window.
    pub organic: Vec<f64>,
    /// All users in the window.
    pub total: Vec<f64>,
    /// The share; null where there were no users.
    pub share: Vec<Option<f64>>,
    /// Wilson's lower bound of 95 %.
    pub low: Vec<Option<f64>>,
    /// Wilson's upper bound of 95 %.
    pub high: Vec<Option<f64>>,
}

/// Single ISO weeks with the bands that drift is judged by.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Weeks {
    /// Weeks `yyyy_ww`, without a gap.
    pub steps: Vec<String>,
    /// Whether each has ended with the data.
    pub complete: Vec<bool>,
    /// The same countries as in [`Shares`], in the same order.
    pub countries: Vec<CountryWeeks>,
}

/// The weeks of a country; a value a step.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CountryWeeks {
    /// Country.
    pub country: String,
    /// Users of the week.
    pub users: Vec<f64>,
    /// Organic users of the week.
    pub organic: Vec<f64>,
    /// Below this, `share_drift` warns; null without enough history.
    pub share_low: Vec<Option<f64>>,
    /// Above this, `share_drift` warns.
    pub share_high: Vec<Option<f64>>,
    /// Below this, `volume_drift` warns.
    pub users_low: Vec<Option<f64>>,
    /// Above this, `volume_drift` warns.
    pub users_high: Vec<Option<f64>>,
}

/// Rows per country and day.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// The first day, `yyyy-mm-dd`; empty without days.
    pub first_day: String,
    /// Days from the first to the last, without a gap.
    pub days: usize,
    /// Countries, without the total; those of [`Shares`] first, in the same order.
    pub countries: Vec<String>,
    /// Rows, `country * days + day`; 0 is a gap.
    pub rows: Vec<u64>,
}

/// Users per channel and week.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Mix {
    /// Weeks `yyyy_ww`, without a gap.
    pub steps: Vec<String>,
    /// Channels, most users first.
    pub channels: Vec<String>,
    /// Users, `channel * steps + step`.
    pub users: Vec<f64>,
    /// Population stability of each week against the weeks before it; null without enough history.
    pub psi: Vec<Option<f64>>,
}
