//! What do pages look like where they are somebody's own? Their name, their logo, their colour.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How large a logo may be, in bytes.
const LOGO: usize = 256 << 10;
/// How long a name may be, in characters.
const NAME: usize = 60;

/// How pages are called and coloured (`branding.*`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Branding {
    /// What the installation is called (`branding.name`).
    pub name: BrandName,
    /// The picture above every page (`branding.logo`); `None`: Keyward's own, beside its own name
    /// alone.
    pub logo: Option<Logo>,
    /// The colour of buttons and links (`branding.color`).
    pub color: Color,
}

/// What an installation is called: 1 to 60 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrandName(String);

/// A text that is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to 60 characters on one line")]
pub struct InvalidBrandName;

impl BrandName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for BrandName {
    fn default() -> Self {
        Self("Keyward".to_owned())
    }
}

impl FromStr for BrandName {
    type Err = InvalidBrandName;

    fn from_str(text: &str) -> Result<Self, InvalidBrandName> {
        let fits = (1..=NAME).contains(&text.chars().count());
        let shown = text.trim() == text && !text.chars().any(char::is_control);
        if fits && shown { Ok(Self(text.to_owned())) } else { Err(InvalidBrandName) }
    }
}

/// A picture that was checked to be one.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    media: &'static str,
    bytes: Arc<[u8]>,
}

/// Why a file is no logo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogo {
    /// It is neither of the two kinds of picture.
    #[error("it is neither SVG nor PNG")]
    Neither,
    /// It would be slow to load.
    #[error("it is larger than 256 KiB")]
    TooLarge,
}

impl Logo {
    /// A logo out of what a file holds: SVG in UTF-8, or PNG. What an SVG says is not looked at; it
    /// is served so that no script in it can run.
    ///
    /// # Errors
    /// [`InvalidLogo`]
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, InvalidLogo> {
        if bytes.len() > LOGO {
            return Err(InvalidLogo::TooLarge);
        }
        let media = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            "image/png"
        } else if std::str::from_utf8(&bytes).is_ok_and(is_svg) {
            "image/svg+xml"
        } else {
            return Err(InvalidLogo::Neither);
        };
        Ok(Self { media, bytes: bytes.into() })
    }

    pub(crate) const fn media(&self) -> &'static str {
        self.media
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({}, {} bytes)", self.media, self.bytes.len())
    }
}

/// Whether the first element is `svg`, after what XML lets stand before it (XML 1.0 §2.8).
fn is_svg(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!DOCTYPE") {
            ">"
        } else {
            break;
        };
        match rest.split_once(end) {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    rest.strip_prefix("<svg").is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n', '>']))
}

/// A colour of the sRGB space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

/// A text that is no colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a colour such as #3451d1")]
pub struct InvalidColor;

/// The contrast that text needs (WCAG 2.2, 1.4.3).
const READABLE: f64 = 4.5;

impl Color {
    const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// What text on this colour is written in: white or black, whichever stands out more. One of the
    /// two always does enough; a grey nearly black would not.
    pub(crate) fn text_on_it(self) -> Self {
        let (white, black) = (Self::rgb(255, 255, 255), Self::rgb(0, 0, 0));
        if self.contrast(white) >= self.contrast(black) { white } else { black }
    }

    /// The nearest shade of this colour in which text can be read on all of these backgrounds: towards
    /// black on light ones, towards white on dark ones.
    pub(crate) fn readable_on(self, backgrounds: &[Self]) -> Self {
        const STEPS: u32 = 20;
        let light = backgrounds.iter().all(|background| background.luminance() > 0.18);
        let end = if light { Self::rgb(0, 0, 0) } else { Self::rgb(255, 255, 255) };
        let shades = (0..=STEPS).map(|step| self.mixed(end, f64::from(step) / f64::from(STEPS)));
        let reads = |shade: &Self| backgrounds.iter().all(|other| shade.contrast(*other) >= READABLE);
        shades.into_iter().find(reads).unwrap_or(end)
    }

    fn mixed(self, other: Self, part: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
        let mix = |a: u8, b: u8| (f64::from(a) * (1.0 - part) + f64::from(b) * part).round() as u8;
        Self::rgb(mix(self.red, other.red), mix(self.green, other.green), mix(self.blue, other.blue))
    }

    /// The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
    pub(crate) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

impl Default for Color {
    fn default() -> Self {
        Self::rgb(0x34, 0x51, 0xd1)
    }
}

impl FromStr for Color {
    type Err = InvalidColor;

    fn from_str(text: &str) -> Result<Self, InvalidColor> {
        let digits = text.strip_prefix('#').ok_or(InvalidColor)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(InvalidColor);
        }
        let full = match digits.len() {
            3 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
            6 => digits.to_owned(),
            _ => return Err(InvalidColor),
        };
        let value = u32::from_str_radix(&full, 16).map_err(|_| InvalidColor)?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self::rgb(red, green, blue))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(text: &str) -> Color {
        text.parse().expect(text)
    }

    #[test]
    fn a_colour_is_hexadecimal() {
        assert_eq!(color("#FfE").to_string(), "#ffffee");
        assert_eq!(color("#3451d1"), Color::default());
        for bad in ["", "#", "red", "3451d1", "#3451d", "#3451d1ff", "#34 1d1", "#+451d1", "#\u{e9}451d"] {
            assert_eq!(bad.parse::<Color>(), Err(InvalidColor), "{bad}");
        }
    }

    #[test]
    fn text_can_be_read_on_and_in_whatever_colour_was_chosen() {
        assert_eq!(color("#000").contrast(color("#fff")), 21.0);
        let (light, dark) = ([color("#fff"), color("#f5f6f8")], [color("#0f131a"), color("#1d2430")]);
        for text in ["#fff", "#000", "#ff0", "#3451d1", "#e11", "#0a0", "#777", "#9bf", "#0ff", "#f5f6f8"] {
            let brand = color(text);
            assert!(brand.contrast(brand.text_on_it()) >= READABLE, "text on {brand}");
            for background in light {
                assert!(
                    brand.readable_on(&light).contrast(background) >= READABLE,
                    "{brand} on {background}"
                );
            }
            for background in dark {
                assert!(brand.readable_on(&dark).contrast(background) >= READABLE, "{brand} on {background}");
            }
        }
        assert_eq!(color("#3451d1").readable_on(&light), color("#3451d1"), "what is readable stays");
    }

    #[test]
    fn a_logo_is_a_picture() {
        let media = |bytes: &[u8]| Logo::from_bytes(bytes.to_vec()).map(|logo| logo.media());
        assert_eq!(media(b"\x89PNG\r\n\x1a\n\0\0"), Ok("image/png"));
        for svg in [
            "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            "<?xml version=\"1.0\"?>\n<!-- <b> --><!DOCTYPE svg>\n<svg\n/>",
            "\u{feff} <svg></svg>",
        ] {
            assert_eq!(media(svg.as_bytes()), Ok("image/svg+xml"), "{svg}");
        }
        for bad in ["", "GIF89a", "<html><svg/></html>", "<svgx/>", "<!-- <svg >", "<script>", "<svg"] {
            assert_eq!(media(bad.as_bytes()), Err(InvalidLogo::Neither), "{bad}");
        }
        assert_eq!(media(b"<svg \xff>"), Err(InvalidLogo::Neither));
        assert_eq!(media(&[b' '; LOGO + 1]), Err(InvalidLogo::TooLarge));
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!("Acme & Söhne".parse::<BrandName>().expect("a name").as_str(), "Acme & Söhne");
        for bad in ["", " ", "a ", "a\nb", "a\u{7}", &"x".repeat(61)] {
            assert_eq!(bad.parse::<BrandName>(), Err(InvalidBrandName), "{bad:?}");
        }
    }
}
