//! What went wrong: a refusal, which is an answer, or a fault, which is not.

use std::fmt;
use std::time::Duration;

use keyward_core::change::Conflict;
use keyward_core::denial::Denial;

use crate::store::{Fault, NotCommitted};
use crate::throttle::Decision;

/// A refusal of the contract, with what the caller may know of it. Never a secret.
#[derive(Debug, Clone)]
pub struct Denied {
    denial: Denial,
    detail: Option<String>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    limit: Option<Box<Decision>>,
}

/// Something in a request that is missing or not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field.
    pub field: String,
    /// What is wrong with it, for a person.
    pub message: String,
}

impl FieldError {
    /// That this is wrong with that field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl Denied {
    /// Which refusal it is; its code never changes.
    pub const fn denial(&self) -> Denial {
        self.denial
    }

    /// More about this one, for a person.
    pub fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.denial.title())
    }

    /// What is wrong with which field.
    pub fn fields(&self) -> &[FieldError] {
        &self.fields
    }

    /// How long to wait before asking again.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The budget that was used up.
    pub(crate) fn limit(&self) -> Option<&Decision> {
        self.limit.as_deref()
    }

    /// The refusal with more about this one, for a person. It must hold no secret.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn retry_in(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub(crate) fn limited(decision: Decision) -> Self {
        let denied = Self::from(Denial::RateLimited).retry_in(decision.reset_after);
        Self { limit: Some(Box::new(decision)), ..denied }
    }

    pub(crate) fn invalid(fields: Vec<FieldError>) -> Self {
        Self { fields, ..Self::from(Denial::ValidationFailed) }
    }
}

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self { denial, detail: None, fields: Vec::new(), retry_after: None, limit: None }
    }
}

/// What went wrong.
#[derive(Debug, Clone)]
pub enum Error {
    /// The question was asked and the answer is no.
    Denied(Box<Denied>),
    /// The question could not be asked.
    Fault(Fault),
}

impl Error {
    /// The refusal that a caller is told; a fault is `store_unavailable`, or the server's own mistake.
    pub fn denied(&self) -> Denied {
        match self {
            Self::Denied(denied) => (**denied).clone(),
            Self::Fault(Fault::Unavailable(_) | Fault::Elsewhere(_)) => {
                Denied::from(Denial::StoreUnavailable).retry_in(Duration::from_secs(1))
            }
            Self::Fault(Fault::Corrupt(_)) => Denial::Internal.into(),
        }
    }

    /// The stable word of [`Error::denied`].
    pub fn code(&self) -> &'static str {
        self.denied().denial().code()
    }

    /// Whether the log has it already, once for all who meet it.
    pub(crate) const fn is_logged(&self) -> bool {
        matches!(self, Self::Fault(Fault::Elsewhere(_)))
    }

    /// Whether it is this refusal.
    pub fn is(&self, denial: Denial) -> bool {
        matches!(self, Self::Denied(denied) if denied.denial == denial)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => write!(f, "{}: {}", denied.denial.code(), denied.detail()),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::Denied(Box::new(denied))
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        Denied::from(denial).into()
    }
}

/// Bad input: `validation_failed` (422).
impl From<FieldError> for Error {
    fn from(wrong: FieldError) -> Self {
        vec![wrong].into()
    }
}

/// Bad input, all of it told at once: `validation_failed` (422).
impl From<Vec<FieldError>> for Error {
    fn from(wrong: Vec<FieldError>) -> Self {
        Denied::invalid(wrong).into()
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::EmailTaken => Denial::EmailTaken.into(),
            Conflict::PhoneTaken => Denial::PhoneTaken.into(),
            Conflict::LastAdmin => Denial::LastAdmin.into(),
            // Whoever can decide again does; who met the conflict too often is told to come back.
            Conflict::Changed => Denied::from(Denial::Overloaded).retry_in(Duration::from_secs(1)).into(),
        }
    }
}

impl From<NotCommitted> for Error {
    fn from(error: NotCommitted) -> Self {
        match error {
            NotCommitted::Conflict(conflict) => conflict.into(),
            NotCommitted::Fault(fault) => fault.into(),
        }
    }
}
