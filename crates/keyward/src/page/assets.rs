//! What do pages load? The style sheet, scripts and pictures, each under a name that changes with
//! what it holds, so that a browser may keep it for ever.

use aws_lc_rs::digest::{SHA256, digest};

use crate::settings::branding::{Branding, Color};

/// Where they are.
pub(crate) const PATH: &str = "/assets/";

/// What pages load besides the style sheet and the pictures: what it is called in [`Assets::url`],
/// and what it holds. Scripts are ES modules of their own: none imports another by its name.
const SCRIPTS: &[(&str, &str)] =
    &[("page.js", include_str!("page.js")), ("admin.js", include_str!("admin.js"))];

const STYLE: &str = concat!(include_str!("style.css"), include_str!("admin.css"));

/// Everything that pages of this installation load.
#[derive(Debug)]
pub(crate) struct Assets {
    files: Vec<Asset>,
    /// What the installation is called.
    pub(crate) name: String,
    /// The address of the style sheet.
    pub(crate) style: String,
    /// The address of the picture that a browser shows beside the title.
    pub(crate) icon: String,
    /// The address of the installation's own logo.
    pub(crate) logo: Option<String>,
    /// Whether Keyward's own mark stands before the name.
    pub(crate) has_mark: bool,
}

/// A file that pages load.
#[derive(Debug)]
pub(crate) struct Asset {
    /// What it is called by pages.
    name: &'static str,
    /// What it is called in its address.
    file: String,
    pub(crate) media: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Asset {
    fn new(name: &'static str, media: &'static str, bytes: Vec<u8>) -> Self {
        let hash: String =
            digest(&SHA256, &bytes).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
        Self { name, file: format!("{stem}-{hash}.{end}"), media, bytes }
    }

    fn url(&self) -> String {
        format!("{PATH}{}", self.file)
    }
}

impl Assets {
    pub(crate) fn new(branding: &Branding) -> Self {
        let mut files: Vec<Asset> = SCRIPTS
            .iter()
            .map(|(name, text)| Asset::new(name, "text/javascript; charset=utf-8", text.as_bytes().to_vec()))
            .collect();
        let style = format!("{STYLE}\n{}", colours(branding.color));
        let style = Asset::new("style.css", "text/css; charset=utf-8", style.into_bytes());
        let icon = Asset::new("icon.svg", SVG, icon(branding.color).into_bytes());
        let logo = branding.logo.as_ref().map(|logo| {
            let name = if logo.media() == SVG { "logo.svg" } else { "logo.png" };
            Asset::new(name, logo.media(), logo.bytes().to_vec())
        });
        let own_name = branding.name.as_str();
        let assets = Self {
            name: own_name.to_owned(),
            style: style.url(),
            icon: logo.as_ref().map_or_else(|| icon.url(), Asset::url),
            logo: logo.as_ref().map(Asset::url),
            has_mark: logo.is_none() && own_name == "Keyward",
            files: Vec::new(),
        };
        files.extend([style, icon]);
        files.extend(logo);
        Self { files, ..assets }
    }

    /// The file that is called so in its address.
    pub(crate) fn file(&self, name: &str) -> Option<&Asset> {
        self.files.iter().find(|asset| asset.file == name)
    }

    /// The address of a script.
    pub(crate) fn url(&self, name: &str) -> String {
        // A name that is not in the table leads nowhere, as a test of every page would see.
        self.files.iter().find(|asset| asset.name == name).map(Asset::url).unwrap_or_default()
    }
}

const SVG: &str = "image/svg+xml";

/// What text stands on, as style.css has it: by day, and in the dark.
const LIGHT: [&str; 3] = ["#ffffff", "#f5f6f8", "#eef0f4"];
const DARK: [&str; 3] = ["#0f131a", "#171c25", "#222936"];

/// The colours that follow from the installation's own.
fn colours(brand: Color) -> String {
    let shade = |backgrounds: [&str; 3]| {
        let parsed: Vec<Color> = backgrounds.iter().filter_map(|text| text.parse().ok()).collect();
        brand.readable_on(&parsed)
    };
    let (light, dark) = (shade(LIGHT), shade(DARK));
    format!(
        ":root {{ --brand: {brand}; --on-brand: {}; --accent: {light}; }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}\n",
        brand.text_on_it()
    )
}

/// Keyward's mark on a field of the installation's colour.
fn icon(brand: Color) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" rx=\"8\" \
         fill=\"{brand}\"/><path fill=\"none\" stroke=\"{}\" stroke-width=\"2.6\" stroke-linecap=\"round\" \
         stroke-linejoin=\"round\" d=\"M16 5.5l8 3v7c0 5-3.400 8.600-8 10.500-4.600-1.900-8-5.500-8-10.500v-7zM16 13v6\"/>\
         </svg>",
        brand.text_on_it()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_its_name_with_what_it_holds() {
        let plain = Assets::new(&Branding::default());
        let red = Branding { color: "#f00".parse().expect("a colour"), ..Branding::default() };
        let red = Assets::new(&red);
        assert_ne!((&plain.style, &plain.icon), (&red.style, &red.icon));
        assert_eq!(plain.url("page.js"), red.url("page.js"));
        assert_eq!(plain.url("none.js"), "");
        let name = plain.style.strip_prefix(PATH).expect("an asset");
        assert!(plain.file(name).is_some_and(|style| style.bytes.starts_with(STYLE.as_bytes())));
        assert!(red.file(name).is_none());
    }

    #[test]
    fn the_backgrounds_that_text_is_read_on_are_those_of_the_style_sheet() {
        let value = |line: &'static str| {
            let (name, value) = line.trim().strip_suffix(';')?.split_once(": ")?;
            matches!(name, "--bg" | "--surface" | "--sunken").then_some(value)
        };
        let mut backgrounds: Vec<&str> = STYLE.lines().filter_map(value).collect();
        let mut known: Vec<&str> = LIGHT.into_iter().chain(DARK).collect();
        backgrounds.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, backgrounds);
        assert!(known.iter().all(|color| color.parse::<Color>().is_ok()), "{known:?}");
    }
}
