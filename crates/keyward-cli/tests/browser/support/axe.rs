//! What is wrong with a page for people with a disability?

use serde_json::{Value, json};

use super::Tab;

/// What axe-core finds, a line each: rule, how bad, what is wrong, where. `scripts/test` puts it
/// into `target/tools`. It comes in through WebDriver, not through the page, whose policy would
/// refuse it.
pub(super) async fn violations(tab: &Tab) -> Vec<String> {
    let axe = super::tool("axe-core/axe.min.js");
    tab.cdp("Runtime.evaluate", json!({ "expression": axe })).await;
    let found = tab
        .run_async(
            "const { violations } = await axe.run(document, { resultTypes: ['violations'] });
             return violations.map(({ id, impact, help, nodes }) =>
               `${id} (${impact}): ${help}: ${nodes.map(({ html }) => html).join(' ')}`);",
        )
        .await;
    let lines = found.as_array().unwrap_or_else(|| panic!("axe ran: {found}"));
    lines.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
