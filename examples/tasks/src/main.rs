//! Serves the to-do list at <http://127.0.0.1:8080>, with its data in `tasks-data`.

use keyward::{Keyward, Settings};
use tasks::store::Tasks;

const DATABASE: &str = "tasks-data/tasks.db";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    // Keyward first: it makes the file, and the table of tasks refers to its accounts.
    let keyward = Keyward::builder(Settings::default()).sqlite(DATABASE).open().await?;
    let app = tasks::app(&keyward, Tasks::open(DATABASE)?);
    Ok(keyward.run("127.0.0.1:8080", app).await?)
}
