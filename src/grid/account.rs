//! Every row, counted or dropped by a named reason.

use crate::{Error, Result};

macro_rules! account {
    ($($field:ident, $kept:literal, $doc:literal;)*) => {
        /// Where each row of the input went. The reasons exclude one another: a
        /// row counts under the first one that fits, in this order.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct Account {
            /// Rows that the footers promise.
            pub rows: u64,
            $(#[doc = $doc] pub $field: u64,)*
        }

        impl Account {
            /// Name, whether the row was kept, count and meaning of each reason.
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

account! {
    other_system, false, "dropped: operating system is null or not the total over systems";
    null_country, false, "dropped: country is null";
    country_total, false, "dropped: country is the total over countries";
    null_name, true, "kept, adds nothing: channel is null";
    null_value, true, "kept, adds nothing: value is null";
    nan_value, true, "kept, adds nothing: value is NaN";
    infinite_value, true, "kept, adds nothing: value is infinite";
    counted, true, "kept: its value is in a sum";
}

impl Account {
    /// Rows that put a point on the axis, whether or not they add to a sum.
    pub fn kept(&self) -> u64 {
        self.reasons().iter().filter(|r| r.1).map(|r| r.2).sum()
    }

    /// Rows that do not concern the answer.
    pub fn dropped(&self) -> u64 {
        self.reasons().iter().filter(|r| !r.1).map(|r| r.2).sum()
    }

    /// Fails unless footer rows = kept + dropped.
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
