//! `keyward openapi`: prints what can be asked over HTTP, as OpenAPI 3.1.

use keyward::Keyward;

use crate::failure::Failure;
use crate::print;

/// Prints it. It needs neither a configuration nor data.
pub(crate) fn run() -> Result<(), Failure> {
    print::text(&format!("{}\n", Keyward::openapi()))
}
