//! What is told on a page that has nothing to fill in? That something is done, or can't be.

use askama::Template;

use super::Frame;
use super::assets::Assets;

/// A page that tells something, with one way on at most.
#[derive(Debug, Template)]
#[template(path = "told.html")]
pub(crate) struct Told<'a> {
    frame: Frame<'a>,
    paragraphs: Vec<String>,
    link: Option<(String, &'static str)>,
    /// What the request is called in the log, where that may be asked for.
    request_id: String,
}

impl<'a> Told<'a> {
    pub(crate) fn new(assets: &'a Assets, title: &str, paragraphs: &[&str]) -> Self {
        Self {
            frame: Frame::new(title, assets),
            paragraphs: paragraphs.iter().map(|&text| text.to_owned()).collect(),
            link: None,
            request_id: String::new(),
        }
    }

    /// With a way on: a path, and what it is called.
    pub(crate) fn on_to(self, path: impl Into<String>, text: &'static str) -> Self {
        Self { link: Some((path.into(), text)), ..self }
    }

    /// With the name of the request.
    pub(crate) fn of_request(self, id: &str) -> Self {
        Self { request_id: id.to_owned(), ..self }
    }
}
