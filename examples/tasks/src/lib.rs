//! A to-do list for many people: what each route does, and for whom.
//!
//! [`Owner`] as an argument is all that keeps people's tasks apart: 401 for who is not signed in, by
//! cookie or by bearer token, and 403 for anybody but the person whom the path names.

mod body;
mod page;
pub mod store;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use keyward::{Denial, Error, Keyward, Owner};

use crate::body::Body;
use crate::store::{Task, Tasks};

/// The whole application: its own routes behind Keyward's layer, and Keyward's beside them.
pub fn app(keyward: &Keyward, tasks: Tasks) -> Router {
    Router::new()
        .route("/api/{user_id}/tasks", get(list).post(create))
        .route("/api/{user_id}/tasks/{id}", get(read).patch(change).delete(remove))
        .merge(page::routes())
        .method_not_allowed_fallback(async || Error::from(Denial::MethodNotAllowed))
        .fallback(async || Error::from(Denial::NotFound))
        .layer(DefaultBodyLimit::max(64 << 10))
        .layer(keyward.layer())
        .merge(keyward.router())
        .with_state(tasks)
}

async fn list(owner: Owner, State(tasks): State<Tasks>) -> Result<Json<Vec<Task>>, Error> {
    Ok(Json(tasks.of(owner.user_id()).await?))
}

async fn create(
    owner: Owner,
    State(tasks): State<Tasks>,
    mut body: Body,
) -> Result<(StatusCode, Json<Task>), Error> {
    let title = body.title();
    body.finish()?;
    let task = tasks.add(owner.user_id(), title.unwrap_or_default()).await?;
    Ok((StatusCode::CREATED, Json(task)))
}

async fn read(
    owner: Owner,
    State(tasks): State<Tasks>,
    Path(path): Path<OfTask>,
) -> Result<Json<Task>, Error> {
    Ok(Json(tasks.one(owner.user_id(), path.id()?).await?))
}

async fn change(
    owner: Owner,
    State(tasks): State<Tasks>,
    Path(path): Path<OfTask>,
    mut body: Body,
) -> Result<Json<Task>, Error> {
    let title = if body.has("title") { body.title() } else { None };
    let done = body.done();
    body.finish()?;
    Ok(Json(tasks.change(owner.user_id(), path.id()?, title, done).await?))
}

async fn remove(
    owner: Owner,
    State(tasks): State<Tasks>,
    Path(path): Path<OfTask>,
) -> Result<StatusCode, Error> {
    tasks.remove(owner.user_id(), path.id()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The task that a path names; [`Owner`] has seen to the rest of it.
#[derive(serde::Deserialize)]
struct OfTask {
    id: String,
}

impl OfTask {
    fn id(&self) -> Result<i64, Error> {
        // What is no number is no task.
        self.id.parse().map_err(|_| Denial::NotFound.into())
    }
}
