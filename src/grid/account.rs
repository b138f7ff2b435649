//! The account of rows: every row is counted once, as kept or dropped by a named reason.

use crate::{Error, Result};

macro_rules! account {
    ($($(#[$attribute:meta])* $field:ident, $kept:literal, $doc:literal;)*) => {
        /// The rows of the input by outcome. The reasons exclude one another: a
        /// row counts under the first one that applies, in this order.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct Account {
            /// Rows according to the footers.
            pub rows: u64,
            $($(#[$attribute])* #[doc = $doc] pub $field: u64,)*
        }

        impl Account {
            /// Name, whether its rows are kept, count and meaning of each reason.
            pub fn reasons(&self) -> Vec<(&'static str, bool, u64, &'static str)> {
                vec![$((stringify!($field), $kept, self.$field, $doc),)*]
            }

            /// Adds another account, of other rows, to this one.
            pub fn merge(&mut self, other: &Account) {
                self.rows += other.rows;
                $(self.$field += other.$field;)*
            }
        }
    };
}

// The aliases are names in reports of format 1.
account! {
    #[serde(alias = "other_system")]
    not_total_row, false, "dropped: not a total row of a dimension outside the key";
    where_not_met, false, "dropped: a condition does not hold, or its channel is excluded from shares of channels";
    #[serde(alias = "null_country")]
    null_member, false, "dropped: a dimension of the key is null";
    #[serde(alias = "country_total")]
    total_row, false, "dropped: a total row of a dimension of the key";
    #[serde(alias = "null_name")]
    null_channel, true, "kept, adds nothing: channel is null";
    excluded_channel, true, "kept, adds nothing: channel is excluded";
    null_value, true, "kept, adds nothing: value is null";
    nan_value, true, "kept, adds nothing: value is NaN";
    infinite_value, true, "kept, adds nothing: value is infinite";
    counted, true, "kept: its value is in a sum";
}

impl Account {
    /// Rows whose country and point in time are in the table, whether or not they add to a sum.
    pub fn kept(&self) -> u64 {
        self.reasons().iter().filter(|r| r.1).map(|r| r.2).sum()
    }

    /// Rows that have no effect on the table.
    pub fn dropped(&self) -> u64 {
        self.reasons().iter().filter(|r| !r.1).map(|r| r.2).sum()
    }

    /// Fails with `Internal` unless footer rows = kept + dropped.
    pub fn check(&self) -> Result<()> {
        let (kept, dropped) = (self.kept(), self.dropped());
        if kept + dropped == self.rows {
            return Ok(());
        }
        Err(Error::internal(format!(
            "{} rows in the footers, but {kept} kept + {dropped} dropped",
            self.rows
        ))
        .advice("Nothing was published. This is a bug: please report it with the file"))
    }
}
