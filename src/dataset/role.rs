//! What a column is to the job.

use crate::Job;

/// What a column is to the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// First day that the row covers.
    Date,
    /// ISO week label.
    Label,
    /// Country.
    Country,
    /// Operating system.
    System,
    /// Channel.
    Channel,
    /// Count of new users.
    Value,
    /// Identifier of the channel; may be missing.
    Token,
    /// Whether the channel has parts; may be missing.
    Subtrackers,
}

impl Role {
    /// In the order of the declaration.
    pub const ALL: [Role; 8] = [
        Role::Date,
        Role::Label,
        Role::Country,
        Role::System,
        Role::Channel,
        Role::Value,
        Role::Token,
        Role::Subtrackers,
    ];

    /// Whether the column may be missing.
    pub fn is_optional(self) -> bool {
        matches!(self, Role::Token | Role::Subtrackers)
    }

    /// The column's name in the files.
    pub fn column(self, job: &Job) -> &str {
        let columns = job.columns();
        match self {
            Role::Date => columns.start_date,
            Role::Label => columns.year_week,
            Role::Country => columns.country,
            Role::System => columns.os_name,
            Role::Channel => columns.name,
            Role::Value => columns.value,
            Role::Token => "token",
            Role::Subtrackers => "has_subtrackers",
        }
    }
}
